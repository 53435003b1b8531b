#!/bin/sh
# Stands in for a server that never answers: writes its process number and hangs.
echo $$
exec tail -f /dev/null
