"""A request that is refused, with its HTTP status and a sentence."""


class Refusal(Exception):  # noqa: N818 - an answer to the visitor and not a fault of the server
    """Ends the handling of a request; the visitor gets status and reason."""

    def __init__(self, status: int, reason: str, retry_s: int | None = None):
        """Create a refusal.

        Args:
            status: HTTP status, 4xx.
            reason: One sentence for the visitor.
            retry_s: When to try again; None: never.
        """
        super().__init__(reason)
        self.status, self.reason, self.retry_s = status, reason, retry_s
