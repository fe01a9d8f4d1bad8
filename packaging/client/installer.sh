#!/bin/sh
# The Capstan client @VERSION@ for Linux on x86-64, for machines that take no .deb and no .rpm.
#   sudo sh FILE [install [WORDS]]   below /opt/capstan-client; then `capstan-client install WORDS`, with install.capstan from beside FILE
#   sudo sh FILE uninstall [--keep-id]   (also: sudo sh /opt/capstan-client/installer.sh uninstall)
#   sh FILE check | extract DIR | --help
# Every step may be repeated; an interrupted installation or removal is finished by calling either again.
set -eu
umask 022
home=/opt/capstan-client link=/usr/local/bin/capstan-client units=/etc/systemd/system
names='capstan-client.service capstan-client-repair.timer' files="$names capstan-client-repair.service"
self=$(readlink -f -- "$0")

say() { printf 'capstan-client: %s\n' "$*" >&2; }
stop() { code=$1; shift; say "$@"; exit "$code"; }
payload() { sed '1,/^#---payload---$/d' "$self"; }
check() {
  [ "@SUM@" != none ] || stop 2 "this copy installs nothing, it only removes; call the file that you were given"
  [ "$(payload | sha256sum | cut -d' ' -f1)" = "@SUM@" ] || stop 1 "$self is damaged or incomplete (its checksum does not fit); get it again"
}
root() {
  [ "$(id -u)" -eq 0 ] || stop 5 "needs root: writes $home, $link, units in $units and /var/lib/capstan-client; call: sudo sh $0 $*"
}
systemd() { command -v systemctl >/dev/null; }
runs() { [ -d /run/systemd/system ]; }

install_files() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || stop 1 "this is for Linux x86_64, and this machine is $(uname -sm)"
  [ ! -e /usr/lib/capstan-client ] || stop 1 "a package installed the client already (/usr/lib/capstan-client); upgrade that, or remove it first"
  # Beside its place, so that each file arrives by one rename: what runs is never half of this and half of that.
  staged=$home/.staged
  mkdir -p "$home"
  rm -rf "$staged"
  mkdir "$staged"
  payload | gzip -dc | (cd "$staged" && tar -xf - --no-same-owner)
  said=$("$staged/capstan-client" --version) || stop 1 "the program does not start on this machine (its libraries: ldd $staged/capstan-client); nothing was changed"
  sync "$staged"/*
  for file in libe_sqlite3.so capstan-client launch installer.sh; do mv -f "$staged/$file" "$home/$file"; done
  mkdir -p "${link%/*}"
  ln -sf "$home/launch" "$link.new"
  mv -fT "$link.new" "$link"
  if systemd; then
    mkdir -p "$units"
    for unit in $files; do
      cp "$staged/$unit" "$units/$unit.new"
      mv -f "$units/$unit.new" "$units/$unit"
    done
    if runs; then
      systemctl daemon-reload
      # shellcheck disable=SC2086
      systemctl try-restart $names
    fi
  fi
  rm -rf "$staged"
  sync "$home"
  say "version $said is in $home"
}

enrol() { # WORDS of capstan-client install
  if [ $# -eq 0 ]; then
    if [ -e "${self%/*}/install.capstan" ]; then
      # Not named by anybody: the program looks whose file it is.
      cd "${self%/*}"
      exec "$link" install
    fi
    say "no install.capstan beside $self; make this machine a client with: capstan-client install --file FILE (or --token-file FILE)"
    return
  fi
  exec "$link" install "$@"
}

uninstall() { # [--keep-id]
  if [ -x "$home/capstan-client" ] && [ -x "$link" ]; then
    "$link" uninstall "$@" || { code=$?; [ $code -eq 4 ] || stop $code "the client could not be removed; nothing else was"; }
  fi
  if systemd; then
    for unit in $names; do [ ! -e "$units/$unit" ] || systemctl --quiet disable "$unit"; done
    # shellcheck disable=SC2086
    if runs && [ -e "$units/capstan-client.service" ]; then systemctl stop $names; fi
    for unit in $files; do rm -f "$units/$unit" "$units/$unit.new"; done
    if runs; then systemctl daemon-reload; fi
  fi
  # Of an interrupted installation nothing may be left that the next command of this machine finds first.
  rm -f "$link.new"
  if [ "$(readlink -- "$link" 2>/dev/null)" = "$home/launch" ]; then rm -f "$link"; fi
  if [ ! -e /usr/bin/capstan ]; then rm -rf /var/lib/capstan-nal /run/capstan; fi
  # The program last: until then this can be called again.
  rm -rf "$home"
  say "the client is removed"
}

verb=${1-install}
[ $# -eq 0 ] || shift
case $verb in
  install) root "install $*"; check; install_files; enrol "$@" ;;
  uninstall) root "uninstall $*"; uninstall "$@" ;;
  check) check; say "whole: version @VERSION@" ;;
  extract)
    [ $# -eq 1 ] || stop 2 'extract DIR: one directory'
    check
    mkdir -p "$1"
    payload | gzip -dc | (cd "$1" && tar -xf - --no-same-owner) ;;
  -h|--help) sed -n '2,5s/^# *//p' "$self" ;;
  *) stop 2 "unknown word: $verb (install, uninstall, check, extract, --help)" ;;
esac
exit
#---payload---
