"""Images from a request's body: one as it is, or the files of a form."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import UploadFile

from tina_kit.service.limits import Limits
from tina_kit.service.problems import Problem


async def uploaded(request: Request, limits: Limits) -> list[tuple[str, bytes]]:
    """File names and contents. Raises Problem if there are none or too many."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if not (kind.startswith("image/") or kind == "application/octet-stream"):
            raise Problem(
                415, "send an image (Content-Type: image/…) or a form with files (multipart)"
            )
        content = await request.body()
        if not content:
            raise Problem(422, "the body is empty; send an image")
        return [("image", content)]
    try:
        async with request.form(max_files=limits.images, max_fields=0) as form:
            files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
            # A form may name an encoding that decodes to what is no text.
            names = [(each.filename or "image").encode(errors="replace").decode() for each in files]
            read = [(name, await each.read()) for name, each in zip(names, files)]
    except (ValueError, KeyError):  # of older versions of the parser
        raise Problem(400, "the form cannot be read") from None
    if not read:
        raise Problem(422, "the form has no files; send images")
    return read
