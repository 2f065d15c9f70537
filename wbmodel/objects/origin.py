"""Which session a lazy object means, and what its pickles say of where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wbmodel.errors import ConfigurationError

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = ["Origin", "bound", "warn_of_version"]


@attrs.frozen(slots=True)
class Origin:
    """The host and account of an unpickled queryset's session. It never falls back to another host."""

    text: str

    def find(self) -> Session:
        """An open session of this origin. Raises :class:`ConfigurationError` if there is none."""
        from wbmodel.session.current import session_for_origin

        found = session_for_origin(self.text)
        if found is None:
            raise ConfigurationError(
                f"this queryset came from {self.text}, but no session to it is open; call connect() first"
            )
        return found


def bound(using: Session | Origin | str | None) -> Session:
    """The session that is meant: this one, that of this origin or name, or the current one."""
    from wbmodel.session.current import current_session, get_session

    if using is None:
        return current_session()
    if isinstance(using, Origin):
        return using.find()
    return get_session(using) if isinstance(using, str) else using


def warn_of_version(what: str, pickled: str) -> None:
    """Warn if a pickle of a ``what`` is from another version of this package."""
    from wbmodel._version import __version__

    if pickled != __version__:
        import warnings

        warnings.warn(
            f"this {what} was pickled by wbmodel {pickled} and is read by {__version__}", RuntimeWarning, stacklevel=3
        )
