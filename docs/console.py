"""Writes `docs/console.md`: what the console does, key by key and rule by rule, with the tests that prove it.

A test that says in its name which rule it proves, `test_r12_…` or `test_key_u_…`, is found by itself; the others are
named here. `python docs/console.py` writes the page; a test of the house keeps it fresh.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "console.md"
_RULE = re.compile(r"^test_r(\d+)_")

KEYS: list[tuple[str, str, str]] = [
    (
        "`j k ↓ ↑ g G ctrl+d ctrl+u pgup pgdn home end`",
        "move",
        "keys_move_and_messages_name_runs scrolling_up_pauses_and_the_end_goes_on an_empty_tree_takes_every_key",
    ),
    (
        "`h l ← →`",
        "move in the graph, open and close the nodes of a tree",
        "h_and_l_open_and_close the_focus_begins_where_something_happens_and_moves_by_keys",
    ),
    (
        "`enter` / `escape`",
        "open; back: first the filter, then the marks",
        "enter_opens_the_run_and_q_comes_back marks_are_counted_and_escape_clears_them"
        " a_filter_is_applied_and_escape_clears_it escape_from_the_filtered_log_clears_the_search_first"
        " key_enter_reads_the_schemas",
    ),
    (
        "`-`",
        "the view before, with its filter, marks and cursor",
        "key_minus_comes_back_to_filter_marks_and_cursor key_minus_restores_what_was_marked",
    ),
    ("`1` to `6`", "places", "the_logs_of_all_runs_are_place_2 the_other_places_show_what_there_is"),
    (
        "`tab` `shift+tab`",
        "next tab in a run, next pane elsewhere",
        "tabs_go_round_and_data_is_filled_only_when_seen key_tab_goes_to_the_next_table",
    ),
    (
        "`/` `n` `N` `&`",
        "filter or search; next and previous match; only matching lines",
        "search_and_level key_n_and_ key_ampersand_keeps_only_matching_lines key_slash_narrows_to_a_time",
    ),
    ("`v`", "views: all, needs attention, by cause, saved", "key_v_turns_the_view key_v_needs_attention"),
    (
        "`:`",
        "the command line",
        "key_colon_goes_to_places_and_filters_since colon_run_opens_a_run_by_its_beginning"
        " colon_theme_tz_and_save colon_q_leaves every_command_of_the_command_line_can_be_typed"
        " a_command_runs_on_this_database_and_asks_before_it_writes another_profile_never_widens_rights",
    ),
    ("`ctrl+p`", "the palette", "key_ctrl_p"),
    ("`?`", "help for this place", "help_and_explanation_open_and_close"),
    ("in inputs `↑ ↓ ctrl+p ctrl+n tab`", "history, completion", "key_tab_completes_and_key_up_walks_the_history"),
    (
        "`space` `V` `*` `!`",
        "mark, a range, all that match, the others",
        "marks_are_counted_and_escape_clears_them key_star_marks_all key_star_marks_all_that_match_loaded_or_not",
    ),
    ("`c`", "cancel", "cancel_names_the_run_asks_and_sends_its_id an_executing_run_is_cancelled_with_c"),
    (
        "`R`",
        "rerun from a stage",
        "rerun_shows_what_runs_again_and_what_is_reused a_run_is_watched_to_its_end_and_rerun_from_a_stage",
    ),
    ("`F`", "retry the failed stages", "retry_of_a_failed_run"),
    (
        "`o`",
        "a new run",
        "a_new_run_is_a_form_validated_in_place_and_then_opened a_new_run_as_json_and_back"
        " key_o_launches_the_workflow_under_the_cursor",
    ),
    ("`m`", "keep a note", "key_m_keeps_a_note"),
    ("`u`", "poll now, or skip a backoff", "key_u_polls_now"),
    ("`H`", "hold a workflow, or release it", "key_H"),
    (
        "`P` `X`",
        "replay, discard dead letters",
        "replay_of_the_dead_letter_under_the_cursor discard_wants_a_reason_and_the_field_waits_for_tab",
    ),
    ("`a`", "explain", "help_and_explanation_open_and_close r14_the_key_it_offers_works_from_the_panel"),
    ("`l`", "logs of the marked runs, else of this one", "key_l_shows_the_lines_of_the_marked_runs_only"),
    (
        "`d`",
        "what differs",
        "key_d_compares_two_attempts_in_data_and_the_last_good_run_elsewhere"
        " r26_d_splits_what_changed_against_the_period_before",
    ),
    ("`[` `]`", "earlier, later", "r27_the_past_is_one_key_away_and_escape_leaves_it r09_values_of_an_earlier_attempt"),
    (
        "`f` `w` `t` `z`",
        "follow, wrap, times, fold idle time",
        "f_goes_to_the_log_and_then_pauses_and_follows wrapping_loses_nothing_and_undoes"
        " t_shows_ages_then_local_then_utc r08_the_timeline_shows_each_attempt_and_folds_with_z",
    ),
    ("`s` `S` `.`", "sort, reverse, take in new rows", "key_s_sorts new_rows_wait_until_they_are_taken"),
    (
        "`y` `Y` `e` `|`",
        "copy, the copy menu, export, pipe",
        "key_y_copies_the_id_and_says_that_nobody_confirmed_it key_e_exports_and_never_over_a_file key_pipe",
    ),
    ("`p`", "pause live refresh", "paused_means_that_changes_are_not_asked_for"),
    (
        "`q` `ctrl+q` `ctrl+c` `ctrl+l` `ctrl+z`",
        "back and out, interrupt, redraw, suspend",
        "it_starts_on_an_empty_database_and_q_gives_the_terminal_back a_signal_restores_the_terminal",
    ),
    (
        "remapping",
        "every binding has an id; clashes are said once",
        "a_remapped_key_works_and_is_shown a_clash_is_said_once_at_the_start a_key_has_one_meaning_everywhere"
        " the_keys_of_the_contract the_command_line_lists_and_checks",
    ),
]
"""(keys, what they do, tests: the beginning of their names after `test_`)."""

RULES: dict[int, tuple[str, str]] = {
    1: (
        "The cursor and the marks belong to run ids",
        "cursor_and_marks_stay_on_their_runs_when_rows_move the_dialog_keeps_its_run_while_rows_move_under_it",
    ),
    2: ("Lists never load everything", "more_rows_come_as_the_cursor_nears_the_end more_is_asked_for_near_the_end"),
    3: (
        "Own table and log widgets on the Line API",
        "only_the_line_that_changed_is_painted a_batch_is_taken_in_quickly_and_only_the_screen_is_rendered",
    ),
    4: (
        "One feed; nothing changes, nothing is asked",
        "a_thousand_changes_are_a_handful_of_questions nothing_is_asked_while_nothing_changes"
        " a_change_during_the_question_is_not_lost a_viewer_without_widgets_is_not_asked",
    ),
    5: ("New rows do not shove", "new_rows_are_held_while_the_cursor_is_down_the_list r5_the_cursor_stays"),
    6: (
        "Log tail: opens at the end, pauses, bounded, older pages",
        "it_opens_at_the_end_and_follows the_ring_is_bounded_and_what_is_read_stays_in_place bytes_are_bounded_too"
        " older_lines_come_at_the_top r6_",
    ),
    7: (
        "Graph: layered, deterministic, a tree where it does not fit",
        "layout_keeps_its_promises no_edge_runs_through_a_box more_than_sixty_stages_are_a_tree"
        " a_narrow_place_gets_a_tree boxes_stay_where_they_are_as_time_passes",
    ),
    8: ("Timeline: a bar for each attempt", ""),
    9: ("Data: a tree, a pager, artifacts", "numbers_are_exact children_exist_only_once_looked_at"),
    10: ("AI calls and costs; unknown is never 0", ""),
    11: ("Dead letters by cause; a replay ends as something", ""),
    12: (
        "Before an action, its consequences; no dialog is answered unseen",
        "an_answer_in_the_same_breath_does_not_count a_dialog_takes_answers_only_after_a_quarter_second"
        " no_is_the_default only_its_own_keys_work",
    ),
    13: (
        "After an action, its twin",
        "twins_can_be_pasted every_operation_asks_sends_and_can_be_said_as_a_command_line",
    ),
    14: ("Explain answers from facts", ""),
    15: (
        "States: empty, error, disconnected, stale",
        "a_lost_database_keeps_the_rows_turns_actions_off_and_comes_back an_empty_database_says_why_and_the_next_key",
    ),
    16: (
        "Read-only is enforced at the store",
        "read_only_offers_and_does_nothing_that_writes 4_read_only_binds_everything_that_writes",
    ),
    17: (
        "Status is shape, word and colour",
        "signs_and_words_tell_states_apart signs_take_one_cell",
    ),
    18: ("Themes", "the_shipped_themes_are_complete every_theme_paints"),
    19: (
        "Hostile text is shown and never executed",
        "every_screen_shows_it_and_lives hostile_text_is_shown_and_never_sent"
        " every_table_prints_and_holds_nothing_a_terminal_obeys a_signal_restores_the_terminal",
    ),
    20: (
        "Start: what needs no screen never loads one",
        "without_the_console_textual_is_not_loaded a_start_filter_is_in_force_from_the_start",
    ),
    21: ("In a browser", ""),
    22: ("Failures have causes", ""),
    23: ("The demo teaches", "the_first_runs_are_what_the_samples_take the_scratch_database_is_the_demos_alone"),
    24: (
        "No silent execution",
        "its_own_worker_is_started_said_and_ended when_a_console_needs_its_own_worker"
        " the_real_worker_executes_and_gives_its_leases_back_within_two_seconds",
    ),
    25: ("The footer follows the row", "the_footer_follows_the_row a_disabled_key_says_why_and_opens_nothing"),
    26: ("Costs answer why they doubled", ""),
    27: ("Hand-over", ""),
    28: ("Deploys", ""),
}
"""What each rule is about, and tests that do not carry its number."""


def tests() -> dict[str, list[str]]:
    """Files by test name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[node.name].append(path.relative_to(ROOT).as_posix())
    return found


def named(known: dict[str, list[str]], beginnings: str) -> list[str]:
    """The tests whose names begin so; raises `LookupError` for a beginning nothing has."""
    names = []
    for beginning in beginnings.split():
        matching = [name for name in known if name.startswith(f"test_{beginning}")]
        if not matching:
            raise LookupError(f"no test begins with test_{beginning}")
        names += matching
    return names


def _proof(names: list[str], known: dict[str, list[str]]) -> tuple[str, str]:
    sentences = [re.sub("_+", " ", re.sub(r"^test_(r\d+_|key_)?", "", name)).strip() for name in names]
    files = sorted({file for name in names for file in known[name]})
    return "; ".join(dict.fromkeys(sentences)), ", ".join(f"`{file}`" for file in files)


def page() -> str:
    known = tests()
    lines = [
        "# The console, key by key and rule by rule",
        "",
        "Written by `make behaviours`; not to be edited. The figures of speed and size come from `make bench-console`.",
        "",
        "| keys | do | proven by | in |",
        "|---|---|---|---|",
    ]
    for keys, do, beginnings in KEYS:
        said, files = _proof(named(known, beginnings), known)
        lines.append(f"| {keys.replace('|', chr(92) + '|')} | {do} | {said} | {files} |")
    lines += ["", "| rule | is about | proven by | in |", "|---|---|---|---|"]
    for number, (about, beginnings) in RULES.items():
        numbered = [name for name in known if (hit := _RULE.match(name)) and int(hit[1]) == number]
        names = list(dict.fromkeys([*numbered, *named(known, beginnings)]))
        if not names:
            raise LookupError(f"no test of rule {number}")
        said, files = _proof(names, known)
        lines.append(f"| {number} | {about} | {said} | {files} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
