"""The sockets of midpipe's proxy: event loop, listeners and connections."""
