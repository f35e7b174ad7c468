"""The service: classes over HTTP, p-Models and their answers back, and a page that asks for them.

It needs the extra `serve`. Nothing in it is imported before `tina_kit.serve` is called.
"""
