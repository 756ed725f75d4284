#!/bin/sh
# The device behind the tests' sshd: answers a command as a Junos CLI in exec mode does. Which device is asked is told
# by the address that the client connected to: $DEVICES/<address>/ holds its files, $DEVICES/default/ all others'.
#   <command>   (without "| no-more") the answer to that command
#   latency     seconds to wait before each answer
#   fault       hang (after 20 KB), drip (100 bytes a second), cut (half the answer, then the connection dies)
set -- $SSH_CONNECTION
device=$DEVICES/$3
[ -d "$device" ] || device=$DEVICES/default

command=${SSH_ORIGINAL_COMMAND%"| no-more"}
while [ "$command" != "${command% }" ]; do command=${command% }; done

case $command in
  "$NETCONF_SERVER") [ -n "$command" ] && exec $NETCONF_SERVER "$device" ;;
esac
[ -f "$device/latency" ] && sleep "$(cat "$device/latency")"

answer=$device/$command
if [ -z "$command" ] || [ ! -f "$answer" ]; then
  echo "error: syntax error, expecting <command>." >&2
  exit 1
fi
case $(cat "$device/fault" 2>/dev/null) in
  hang)
    head -c 20480 "$answer"
    exec sleep 600
    ;;
  drip)
    i=0
    while [ $i -lt 400 ]; do
      dd if="$answer" bs=100 skip=$i count=1 2>/dev/null
      i=$((i + 1))
      sleep 1
    done
    ;;
  cut)
    head -c 20480 "$answer"
    sleep 0.3
    kill -KILL "$PPID"
    ;;
  *) exec cat "$answer" ;;
esac
