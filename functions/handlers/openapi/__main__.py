"""Writes the document beside the function that serves it: `make openapi`."""

from functions.handlers import http_openapi
from functions.handlers.openapi.rendering import rendered

if __name__ == "__main__":
    http_openapi.DOCUMENT.write_text(rendered())
