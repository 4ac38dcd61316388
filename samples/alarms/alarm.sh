#!/bin/sh
# alarm.sh [ADDRESS]: tells of an alarm of Blockferry's, to syslog (journald, on most machines), and by mail if there is an address.
#
# Named in the configuration, on either side:
#   alarms:
#     run: [/usr/local/bin/alarm.sh, storage@bern.example]
#     time-limit: 1 min # then it is ended: a mail server that hangs holds up nothing but the next alarm
#     at-least: warning # info, warning or error
#
# It gets no shell and no standard input. What Blockferry tells it, in its environment:
#   BLOCKFERRY_ALARM        raise or clear: both are told, once each; after a restart, what still stands is raised again
#   BLOCKFERRY_CODE         what it is: link-down, buffer-95, lag ... (blockferry status --codes has them all)
#   BLOCKFERRY_SEVERITY     info, warning or error
#   BLOCKFERRY_GROUP        the consistency group
#   BLOCKFERRY_DESTINATION  which of its destinations; empty for what is the group's own
#   BLOCKFERRY_MESSAGE      one line for people
#   BLOCKFERRY_SINCE        when it began, UTC
set -eu
export LC_ALL=C

stream=$BLOCKFERRY_GROUP${BLOCKFERRY_DESTINATION:+ to $BLOCKFERRY_DESTINATION}
case $BLOCKFERRY_ALARM in
  raise) subject="$BLOCKFERRY_SEVERITY: $stream: $BLOCKFERRY_CODE" ;;
  *) subject="over: $stream: $BLOCKFERRY_CODE" ;;
esac

case $BLOCKFERRY_SEVERITY in
  error) priority=daemon.err ;;
  warning) priority=daemon.warning ;;
  *) priority=daemon.info ;;
esac
logger -t blockferry-alarm -p "$priority" -- "$subject: $BLOCKFERRY_MESSAGE (since $BLOCKFERRY_SINCE)"

if [ $# -gt 0 ]; then
  # mail (Debian: bsd-mailx or mailutils) hands it to the machine's own mail server.
  printf '%s\n\nSince %s, on %s.\n' "$BLOCKFERRY_MESSAGE" "$BLOCKFERRY_SINCE" "$(uname -n)" |
    mail -s "blockferry: $subject" "$1"
fi
