"""The only sockets of midpipe's proxy: the event loop, the links, the listeners."""
