"""AI calls, models, and what a run may spend."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from engine.commands import SetBudget
from engine.inspector import AICallView
from engine.model.criteria import PageRequest
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import Cell, talk
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import count, duration, money, short_id

_STATES = {"open": "status-running", "ok": "status-ok", "error": "status-failed", "interrupted": "status-cancelled"}


async def ls(session: Session) -> int:
    """AI calls, the newest first."""
    given = session.arguments
    if not 1 <= given.limit <= 10_000:
        raise UsageError("--limit has to be between 1 and 10000")
    since, until = session.moment("since"), session.moment("until")
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, given.run) if given.run else None
        found = await gateway.inspector.ai_calls(
            run_id,
            stage_id=given.stage,
            model=given.model,
            status=given.status,
            topic=given.topic,
            since=since,
            until=until,
            brief=not session.out.as_json,
            page=PageRequest(limit=given.limit, cursor=given.cursor),
        )
    if session.out.as_json:
        session.out.document(page(found.items, found.next_cursor))
        return DONE
    headers = ("WHEN", "CALL", "RUN", "STAGE", "MODEL", "STATE", "IN", "OUT", "COST", "TOOK", "PROMPT")
    rows = [_row(session, call) for call in found.items]
    session.out.table(headers, rows, right=frozenset({"IN", "OUT", "COST", "TOOK"}))
    if found.next_cursor:
        talk(f"more exist: --cursor {found.next_cursor}")
    return DONE


def _row(session: Session, call: AICallView) -> tuple[Cell, ...]:
    state = "reused" if call.reused else call.status
    return (
        session.out.time(call.created_at),
        call.id,
        short_id(call.run_id) if call.run_id else "-",
        call.stage_id or "-",
        call.model,
        (state, _STATES.get(call.status, "")),
        count(call.input_tokens),
        count(call.output_tokens),
        "" if call.status == "open" else money(call.cost, zero="$0"),
        duration(call.latency_ms),
        " ".join((call.error or call.prompt or "").split()),
    )


async def show(session: Session) -> int:
    """One AI call, whole."""
    async with session.gateway(definitions=False) as gateway:
        call = await gateway.inspector.ai_call(session.arguments.call)
    out = session.out
    if out.as_json:
        out.document(call)
        return DONE
    for name, value in _facts(session, call):
        if value:
            out.line((f"{name:<10}", "dim"), value)
    for title, text in (("prompt", call.prompt), ("response", call.response), ("error", call.error)):
        if text:
            out.line((title, "bold"))
            out.block(text)
    return DONE


def _facts(session: Session, call: AICallView) -> list[tuple[str, Cell]]:
    tokens = f"{count(call.input_tokens)} in, {count(call.output_tokens)} out"
    parts = [f"{count(call.cached_tokens)} cached"] if call.cached_tokens else []
    parts += [f"{count(call.reasoning_tokens)} reasoning"] if call.reasoning_tokens else []
    first = f", first token after {duration(call.first_token_ms)}" if call.first_token_ms is not None else ""
    return [
        ("call", call.id),
        ("state", (f"{call.status}{', reused' if call.reused else ''}", _STATES.get(call.status, ""))),
        ("model", call.model),
        ("answered by", call.answered_by or ""),
        ("type", call.call_type),
        ("topic", call.topic),
        ("run", call.run_id or ""),
        ("stage", f"{call.stage_id}, attempt {call.attempt}" if call.stage_id else ""),
        ("batch", call.batch_id or ""),
        ("when", session.out.time(call.created_at)),
        ("took", f"{duration(call.latency_ms)}{first}" if call.latency_ms is not None else ""),
        ("tokens", ", ".join([tokens, *parts])),
        ("cost", "" if call.status == "open" else money(call.cost, zero="$0")),
        ("finished", call.finish_reason or ""),
        ("code", call.error_code or ""),
    ]


async def models(session: Session) -> int:
    """Known models with their prices: US dollars for a million tokens."""
    from engine.ai import models as known_models
    from engine.ai.directory import PROVIDERS
    from wfconsole.gateway import configured_providers

    for name, settings in (configured_providers(session.settings) or {}).items():
        PROVIDERS.configure(name, settings)
    wanted = (session.arguments.search or "").lower()
    found = [one for one in known_models(PROVIDERS.names()) if wanted in one.id.lower()]
    if session.out.as_json:
        fields = ("provider", "name", "input", "output", "cached", "batch_input", "batch_output", "tiered", "context")
        items = [{"id": one.id, **{name: getattr(one, name) for name in fields}, "note": one.note} for one in found]
        session.out.document(page(items))
        return DONE
    rows: list[tuple[Cell, ...]] = [
        (
            one.id,
            *(_price(price) for price in (one.input, one.cached, one.output, one.batch_input, one.batch_output)),
            "-" if one.context is None else count(one.context),
            "; ".join(part for part in ("dearer when long" if one.tiered else "", one.note) if part),
        )
        for one in found
    ]
    headers = ("MODEL", "IN", "CACHED", "OUT", "BATCH IN", "BATCH OUT", "CONTEXT", "NOTE")
    session.out.table(headers, rows, right=frozenset(headers[1:7]))
    talk("prices: US dollars for a million tokens")
    return DONE


def _price(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount.normalize():f}"


async def budget(session: Session) -> int:
    """What a run, or one of its stages, may spend; stages that wait for money go on."""
    given = session.arguments
    amount = None if given.amount is None else _amount(given.amount)
    if amount is None:
        return await _spent(session)
    session.forbid_read_only()
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, given.run)
        command = SetBudget(
            run_id=run_id,
            stage_id=given.stage,
            max_cost=amount[0],
            reason=given.reason,
            idempotency_key=given.key,
        )
        answer = await gateway.send(command)
    if session.out.as_json:
        session.out.document(answer)
        return DONE
    limit = "no limit" if answer.max_cost is None else f"at most {money(answer.max_cost, zero='$0')}"
    session.out.line(run_id, f"{limit}; spent {money(answer.spent, zero='$0')}")
    if answer.released:
        session.out.line("goes on:", ", ".join(answer.released))
    return DONE


async def _spent(session: Session) -> int:
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, session.arguments.run)
        limits = await gateway.inspector.budget(run_id)
    if session.out.as_json:
        session.out.document(limits)
        return DONE
    limit = "no limit of its own" if limits.max_cost is None else f"at most {money(limits.max_cost, zero='$0')}"
    session.out.line(run_id, f"{limit}; spent {money(limits.spent, zero='$0')}")
    for stage, most in limits.stages.items():
        session.out.line(" ", stage, "no limit" if most is None else f"at most {money(most, zero='$0')}")
    return DONE


def _amount(text: str) -> tuple[Decimal | None]:
    """The amount in a tuple: `none` is an amount too."""
    if text.lower() in ("none", "unlimited"):
        return (None,)
    try:
        amount = Decimal(text.removeprefix("$").replace(",", ""))
    except InvalidOperation:
        raise UsageError(f"{text!r} is no amount of US dollars: 0.50, or none for no limit") from None
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{text!r} is no amount of US dollars: 0.50, or none for no limit")
    return (amount,)
