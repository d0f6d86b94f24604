"""Restore a picture with a server: python examples/client.py hazy.jpg clear.jpg"""

import sys
import urllib.request
from pathlib import Path

source, target = map(Path, sys.argv[1:])
address = "http://127.0.0.1:8000/v1/restore?strength=0.9"
request = urllib.request.Request(address, source.read_bytes(), {"Content-Type": "image/jpeg"})
with urllib.request.urlopen(request) as answer:
    target.write_bytes(answer.read())
    print(answer.headers["CCNet-Recognised"], "restored with", answer.headers["CCNet-Model"])
