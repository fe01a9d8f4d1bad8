#!/bin/sh
# How a scratch machine (machine.sh) differs from this one: a line for each file, folder, owner, mode and content; then what lies in /run, and its sockets.
set -eu
cd "$1/upper"
find . -mindepth 1 | sort | while IFS= read -r path; do
  below=/${path#./}
  if [ -c "$path" ]; then echo "gone $below"
  elif [ -h "$path" ]; then [ "$(readlink "$path")" = "$(readlink "$below" 2>/dev/null)" ] || echo "link $below"
  elif [ ! -e "$below" ]; then echo "new $below"
  elif [ "$(stat -c '%a %u %g' "$path")" != "$(stat -c '%a %u %g' "$below")" ]; then echo "rights $below"
  elif [ -f "$path" ] && ! cmp -s "$path" "$below"; then echo "content $below"
  fi
done
cd "$1/root"
find run -path run/packages -prune -o -mindepth 1 -print | sort | sed 's,^,run /,'
awk 'NR > 1 && $8 != "" { print "socket " $8 }' /proc/self/net/unix | sort -u
