#!/bin/sh
# capstan-client: chooses the build of the agent and becomes it. Installed beside the package's own build; /usr/bin/capstan-client leads here.
#   VERB …    any verb, by the current build; "run" is a start of the service: there the build on trial goes first, while it has starts left
#   --ended   after the service ended (ExecStopPost): notes how, from $EXIT_CODE and $EXIT_STATUS
#   --repair  by a timer: when the current build does not get up, the one before it is next; exit 10: start the service again
# In DATA/builds the agent writes state; this script alone writes starts, started, launches, ended and skip. docs/operations.md tells the whole.
set -u
home=$(dirname -- "$(readlink -f -- "$0")")
data=/var/lib/capstan-client verb='' last=''
for word in "$@"; do
  if [ "$last" = --data ]; then data=$word; else case $word in --data[=:]*) data=${word#--data?} ;; -*) ;; *) verb=${verb:-$word} ;; esac; fi
  last=$word
done
builds=$data/builds
# Only what this user made: nobody, and least of all root, runs programs out of a folder of somebody else.
if [ ! -O "$builds" ] || [ -L "$builds" ]; then builds=/dev/null; fi

said() { sed -n "/^$1 /{s///p;q;}" "$builds/state" 2>/dev/null; }
folder() { case $1 in package) echo "$home" ;; *) echo "$builds/$1" ;; esac; }
named() { case $1 in ''|[!A-Za-z0-9]*|*[!A-Za-z0-9._-]*) return 1 ;; esac; }
there() { named "$1" && [ -x "$(folder "$1")/capstan-client" ] && ! grep -qxF -- "$1" "$builds/skip" 2>/dev/null; }
whole() { # Each line of the list is a file as it was signed: a line that sha256sum cannot read is passed over by it.
  [ "$1" != package ] || return 0
  there "$1" && (cd -- "$(folder "$1")" && n=$(grep -c '' SHA256SUMS) && [ "$(LC_ALL=C sha256sum -c SHA256SUMS | grep -c ': OK$')" = "$n" ]) 2>/dev/null
}
choose() { for id in "$(said current)" "$(said previous)" package; do if "$1" "$id" || [ "$id" = package ]; then return; fi; done; }
put() { printf '%s\n' "$2" >"$builds/$1.tmp" && sync "$builds/$1.tmp" && mv -f "$builds/$1.tmp" "$builds/$1" && sync "$builds"; }
count() { # FILE KEY: how often it was noted; 0 under another key, 9 when it cannot be read
  n=$(sed -n "/^$2 /{s///p;q;}" "$builds/$1" 2>/dev/null)
  case $n in '') n=0 ;; [0-9]) ;; *) n=9 ;; esac
}
runs() { [ -e "$data/lock" ] && ! flock -n -s "$data/lock" true; }
begin() { rm -f "$builds/started"; put started "$1"; become "$@"; }
# Without the socket that .NET opens for debuggers: an agent that waits has none.
become() { id=$1; shift; export CAPSTAN_BUILD="$id" CAPSTAN_PACKAGE="$home" DOTNET_EnableDiagnostics=0; exec "$(folder "$id")/capstan-client" "$@"; }

trial=$(said trial)
named "$trial" || trial=''
try="$trial $(said order)"
case ${1-} in
  --ended)
    [ -z "$trial" ] || [ "$(cat "$builds/started" 2>/dev/null)" != "$trial" ] || put ended "$trial ${EXIT_CODE:-unknown} ${EXIT_STATUS:-unknown}"
    exit 0 ;;
  --repair)
    choose whole
    count launches "$id"
    if [ "$id" = package ] || [ "$n" -lt 5 ] || runs; then exit 0; fi
    echo "capstan-client: build $id was started $n times and did not get up; it is left out"
    put skip "$(cat "$builds/skip" 2>/dev/null; echo "$id")" && exit 10
    exit 1 ;;
esac
if [ "$verb" != run ]; then choose there; become "$id" "$@"; fi
if [ -e "$builds/state" ] && ! runs; then
  if [ -n "$trial" ] && [ -z "$(said held)" ]; then
    # Counted before it is started, and on the disk: whatever this start does to the machine, it was one of three.
    count starts "$try"
    if [ "$n" -lt 3 ] && put starts "$try $((n + 1))"; then
      # What was said of the start before says nothing of this one.
      rm -f "$builds/failure" "$builds/ended"
      if whole "$trial"; then begin "$trial" "$@"; fi
      put ended "$trial not started: its files are damaged, or may not run there"
    fi
  fi
  choose whole
  count launches "$id"
  [ "$n" -ge 9 ] || put launches "$id $((n + 1))"
  begin "$id" "$@"
fi
choose whole
become "$id" "$@"
