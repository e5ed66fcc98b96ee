"""What stands at the other end: server configuration, client, local server."""
