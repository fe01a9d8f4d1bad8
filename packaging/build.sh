#!/bin/sh
# Makes the packages of one version from published programs. Same input, same bytes: times are SOURCE_DATE_EPOCH, owners are root, names are in order.
#   packaging/build.sh --out DIR [--agent DIR] [--windows DIR] [--site DIR] [--quick yes]
# --agent    a published agent for linux-x64: .deb, .rpm, .run     --windows  one for win-x64: .zip     --site  a self-contained capstan for linux-x64: .deb
# --quick    packs less tightly, for tests
# Each package whose tool is missing here is left out, and that is said.
set -eu
umask 022
export LC_ALL=C TZ=UTC
here=$(dirname -- "$(readlink -f -- "$0")")
out='' agent='' windows='' site='' tight=6 tighter=9
while [ $# -ge 2 ]; do
  case $1 in --out) out=$2 ;; --agent) agent=$2 ;; --windows) windows=$2 ;; --site) site=$2 ;; --quick) tight=0 tighter=1 ;; *) break ;; esac
  shift 2
done
if [ $# -ne 0 ] || [ -z "$out" ] || [ -z "$agent$windows$site" ]; then
  sed -n '3s/^# *//p' "$0" >&2
  exit 2
fi
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$here/../Directory.Build.props")
before=$(printf %s "$version" | sed 's/-/~/') # 0.2.0-rc.1 comes before 0.2.0, and packages say that with a tilde
# The day of the last change of this version, so that a build from the same sources is the same build.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 1767225600)}
export SOURCE_DATE_EPOCH
mkdir -p "$out"
out=$(readlink -f -- "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

made() { printf '%s  %s bytes\n' "$1" "$(wc -c <"$out/$1")"; }
missing() { printf 'build.sh: no %s here, so no %s is made\n' "$1" "$2" >&2; }
age() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }
put() { # FILE DESTINATION MODE [NAME=VALUE …]: copies a text, its @NAME@ replaced
  source=$1 target=$2 mode=$3
  shift 3
  mkdir -p "$(dirname -- "$target")"
  sed "s|@VERSION@|$version|g$(for pair in "$@"; do printf ';s|@%s@|%s|g' "${pair%%=*}" "${pair#*=}"; done)" "$source" >"$target"
  chmod "$mode" "$target"
}
program() { # FROM TO NAME: a published program, everything readable and only programs executable
  mkdir -p "$2"
  cp -R "$1/." "$2"
  find "$2" -type d -exec chmod 755 {} +
  find "$2" -type f -exec chmod 644 {} +
  chmod 755 "$2/$3"
}
units() { # DIRECTORY LAUNCHER
  for unit in capstan-client.service capstan-client-repair.service capstan-client-repair.timer; do put "$here/client/$unit" "$1/$unit" 644 "LAUNCHER=$2"; done
}
agent_tree() { # ROOT: what the .deb and the .rpm install
  program "$agent" "$1/usr/lib/capstan-client" capstan-client
  put "$here/capstan-client.sh" "$1/usr/lib/capstan-client/launch" 755
  units "$1/usr/lib/systemd/system" /usr/bin/capstan-client
  put "$here/client/default" "$1/etc/default/capstan-client" 644
  mkdir -p "$1/usr/bin"
  ln -s ../lib/capstan-client/launch "$1/usr/bin/capstan-client"
  put "$here/../LICENSE" "$1/usr/share/doc/capstan-client/copyright" 644
}
deb() { # ROOT NAME CONTROL-FOLDER: adds the control files and makes NAME_VERSION_amd64.deb
  mkdir -p "$1/DEBIAN"
  for script in preinst postinst prerm postrm; do [ ! -e "$3/$script" ] || put "$3/$script" "$1/DEBIAN/$script" 755; done
  put "$3/control" "$1/DEBIAN/control" 644 "PACKAGE_VERSION=$before" "SIZE=$(du -sk --apparent-size "$1" | cut -f1)"
  (cd "$1" && find etc -type f | sed 's,^,/,' | sort >DEBIAN/conffiles)
  (cd "$1" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
  chmod 644 "$1/DEBIAN/conffiles" "$1/DEBIAN/md5sums"
  age "$1"
  dpkg-deb --root-owner-group -Zxz -z$tight --threads-max=1 --build "$1" "$out/$2_${before}_amd64.deb" >/dev/null
  made "$2_${before}_amd64.deb"
}

if [ -n "$agent" ]; then
  if command -v dpkg-deb >/dev/null; then
    agent_tree "$work/deb"
    deb "$work/deb" capstan-client "$here/client/deb"
  else
    missing dpkg-deb .deb
  fi

  if command -v rpmbuild >/dev/null; then
    agent_tree "$work/tree"
    age "$work/tree"
    put "$here/client/rpm/capstan-client.spec" "$work/capstan-client.spec" 644 "PACKAGE_VERSION=$before"
    rpmbuild -bb --quiet --target x86_64-linux --define "_topdir $work/rpm" --define "_dbpath $work/rpmdb" --define "tree $work/tree" --define "_rpmdir $work" --define "_binary_payload w$tight.xzdio" "$work/capstan-client.spec" >"$work/rpm.log" 2>&1 || { cat "$work/rpm.log" >&2; exit 1; }
    mv -f "$work/x86_64/capstan-client-$before-1.x86_64.rpm" "$out/"
    made "capstan-client-$before-1.x86_64.rpm"
  else
    missing rpmbuild .rpm
  fi

  run=capstan-client-$version-linux-x64.run
  program "$agent" "$work/run" capstan-client
  put "$here/capstan-client.sh" "$work/run/launch" 755
  units "$work/run" /usr/local/bin/capstan-client
  put "$here/client/installer.sh" "$work/run/installer.sh" 755 SUM=none
  age "$work/run"
  (cd "$work/run" && find . -type f | sed 's,^\./,,' | sort | tar --no-recursion --owner=0 --group=0 --numeric-owner --format=ustar -cf - -T -) | gzip -${tighter}n >"$work/payload"
  put "$here/client/installer.sh" "$out/$run" 755 "SUM=$(sha256sum <"$work/payload" | cut -d' ' -f1)"
  cat "$work/payload" >>"$out/$run"
  made "$run"
fi

if [ -n "$windows" ]; then
  if command -v zip >/dev/null; then
    zip=capstan-client-$version-win-x64.zip
    mkdir -p "$work/zip"
    cp -R "$windows/." "$work/zip"
    find "$work/zip" -type f -exec chmod 644 {} +
    put "$here/windows/install.ps1" "$work/zip/install.ps1" 644
    put "$here/windows/README.txt" "$work/zip/README.txt" 644
    age "$work/zip"
    rm -f "$out/$zip"
    (cd "$work/zip" && find . -type f | sed 's,^\./,,' | sort | zip -q -$tighter -X -@ "$out/$zip")
    made "$zip"
  else
    missing zip .zip
  fi
fi

if [ -n "$site" ]; then
  if command -v dpkg-deb >/dev/null; then
    program "$site" "$work/site/usr/lib/capstan" capstan
    [ ! -e "$work/site/usr/lib/capstan/createdump" ] || chmod 755 "$work/site/usr/lib/capstan/createdump"
    # `capstan client package` hands it on; other kinds are given to it with --installers.
    if [ -n "$agent" ]; then
      mkdir "$work/site/usr/lib/capstan/installers"
      cp "$out/$run" "$work/site/usr/lib/capstan/installers/"
    fi
    mkdir -p "$work/site/usr/bin"
    ln -s ../lib/capstan/capstan "$work/site/usr/bin/capstan"
    put "$here/site/capstan.service" "$work/site/usr/lib/systemd/system/capstan.service" 644
    put "$here/site/default" "$work/site/etc/default/capstan" 644
    put "$here/../LICENSE" "$work/site/usr/share/doc/capstan/copyright" 644
    deb "$work/site" capstan "$here/site/deb"
  else
    missing dpkg-deb .deb
  fi
fi
