"""Keys as the settings remap them: which are shown, and what is wrong with a map."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping

from wfconsole.actions import ACTIONS, Action

_KEY = re.compile(r"((ctrl|shift|alt)\+)*([a-z0-9_]{2,20}|\S)")
_KNOWN = {action.id: action for action in ACTIONS}


def key_of(action: Action, keys: Mapping[str, str]) -> str:
    """The key that carries an action out here."""
    return keys.get(action.id, action.key)


def problems_of(keys: Mapping[str, str]) -> list[str]:
    """One line for each entry that names no action or no key, and for each key with two meanings in one place."""
    found = []
    for action_id, key in sorted(keys.items()):
        if action_id not in _KNOWN:
            nearest = difflib.get_close_matches(action_id, _KNOWN, n=1, cutoff=0.0)[0]
            found.append(f"[keys] {action_id}: there is no such action; nearest is {nearest}")
        elif not all(_KEY.fullmatch(one) for one in key.split(",")):
            found.append(f"[keys] {action_id} = {key!r} is no key; write it like x, ctrl+x, f5 or x,ctrl+x")
    return found + _clashes(keys)


def usable(keys: Mapping[str, str]) -> dict[str, str]:
    """The entries that name an action and a key."""
    return {
        action_id: key
        for action_id, key in keys.items()
        if action_id in _KNOWN and all(_KEY.fullmatch(one) for one in key.split(","))
    }


def _clashes(keys: Mapping[str, str]) -> list[str]:
    meanings: dict[tuple[str, str], list[str]] = defaultdict(list)
    for action in ACTIONS:
        for key in key_of(action, keys).split(","):
            for place in action.places:
                meanings[place, key].append(action.id)
    clashing: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (place, key), ids in meanings.items():
        if len(ids) > 1:
            clashing[key, tuple(ids)].append(place)
    return [
        f"[keys] {key} means {' and '.join(ids)} in {', '.join(sorted(places))}"
        for (key, ids), places in sorted(clashing.items())
    ]
