# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operators on a result share: which one is meant, and how trouble with it is told."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ..engine import preferences
from ..engine.library import results
from ..engine.link import link
from ..sync_engine.host.history import Result, ResultError, read_result
from ..sync_engine.host.jobs import Failure
from ..sync_engine.interface.messages import FailureCode
from ..sync_engine.interface.wording import Message
from ..translations import in_words
from .mixins import Mixin

NOTHING_YET = {
    "": "There is no result yet: generate one",
    "world": "There is no World yet: generate one",
    "plate": "There is no plate yet: generate one",
}
OTHER_KIND = {
    "world": "The result {result} is a plate, not a World.",
    "plate": "The result {result} is a World, not a plate.",
}


class ResultOperator(Mixin):
    """An operator on one result. ``kind`` limits it to Worlds or to plates."""

    kind = ""
    result: StringProperty(
        name="Result",
        description="Name of the result's folder in the library. Empty: the newest one",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context) -> bool:
        """Tell whether there is anything to work on, and say so if not."""
        library = results.library()
        if library.newest(cls.kind or None) is not None:
            return True
        cls.poll_message_set(NOTHING_YET[cls.kind] if library.complete else "The library is being read")
        return False

    def chosen(self) -> Result | None:
        """Return the result that is meant; None, with the reason reported, if it cannot be used."""
        newest = None if self.result else results.latest(self.kind or None)
        folder = newest.folder if newest else preferences.library_folder() / self.result
        try:
            found = read_result(folder)  # again, even the newest: it may be gone from the disk
        except ResultError as error:
            results.library().forget()
            tell(self, error.message, "Choose another result, or generate it again.")
            return None
        if self.kind and found.kind != self.kind:
            tell(self, Message(OTHER_KIND[self.kind], result=found.id), "Choose another result.")
            return None
        return found


def tell(operator: bpy.types.Operator, message: str, hint: str = "") -> None:
    """Report what went wrong, and leave it in the panel until the next attempt."""
    show(operator, Failure(FailureCode.OUTPUT.value, message, hint))


def show(operator: bpy.types.Operator, failure: Failure) -> None:
    """Report a failure, and leave it in the panel until the next attempt."""
    link.error = failure
    operator.report({"ERROR"}, in_words(failure))
