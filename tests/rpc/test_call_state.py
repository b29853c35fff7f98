"""Per-call state by typed keys."""

from __future__ import annotations

import pytest

from eventflux_runtime import CallState, StateKey


def test_keys_are_one_of_their_own_whatever_their_names() -> None:
    first: StateKey[int] = StateKey("n")
    second: StateKey[int] = StateKey("n")
    state = CallState()
    state[first] = 1
    assert state[first] == 1
    assert (first in state, second in state) == (True, False)
    assert (state.get(second), state.get(second, 7), state.get(first, 7)) == (None, 7, 1)
    assert repr(state) == "<CallState n>"


def test_a_missing_value_is_named() -> None:
    user: StateKey[str] = StateKey("user")
    state = CallState()
    with pytest.raises(KeyError, match="this call has no StateKey\\('user'\\)"):
        state[user]
    with pytest.raises(KeyError, match="user"):
        del state[user]
    state[user] = "ada"
    del state[user]
    assert user not in state
