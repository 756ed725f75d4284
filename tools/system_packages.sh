#!/usr/bin/env bash
# Installs the system packages that are missing (Debian, Ubuntu), or says which they are.
# With --tests also the real parts that the tests start by themselves.
set -euo pipefail
packages=(git g++ cmake ninja-build ccache pkg-config python3-venv python3-dev libeigen3-dev nlohmann-json3-dev
  libspdlog-dev libsqlite3-dev libutf8proc-dev libgtest-dev libssh-dev libcurl4-openssl-dev libssl-dev libxxhash-dev)
[ "${1:-}" != --tests ] ||
  packages+=(openssh-server openssh-client iproute2 bgpq4 frr netconfd postgresql redis-server
    chromium fonts-dejavu-core libicu-dev clang-14 libclang-rt-14-dev)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "headrace needs system packages that only root can install: sudo apt-get install ${missing[*]}" >&2
    exit 2
  fi
  as_root=(sudo)
fi
echo "installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
# --no-install-recommends keeps this to what is linked and run; RUNLEVEL=1 keeps the new services from starting.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
