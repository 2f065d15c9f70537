"""A backend as a stranger would write it: public names only, one method, found by an entry point of its own."""

from acme_backend.backend import AcmeBackend

__all__ = ["AcmeBackend"]
