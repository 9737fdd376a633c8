# expect: failed error=NetworkDenied message='example.com:443 is not allowed for this script; add --allow-host example.com (or allow = ["example.com"])'
# The refusal says what to type.
import socket

socket.create_connection(("example.com", 443))
