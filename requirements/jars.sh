#!/bin/sh
# Fetches what requirements/NAME.pom.xml names, and all it needs, from Maven Central, and verifies each file.
# They are then in .NAME/jars, as one file where the pom says how that is made.
# Where it cannot go on it says in one sentence what is missing and how to get it.
set -eu
cd "$(dirname "$0")/.."
name=$1 pom=requirements/$1.pom.xml sums=$PWD/requirements/$1.sha256
fresh=$PWD/.$1/fetched merged=$PWD/.$1/merged

stop() { printf 'make %s: %s\n' "$name" "$*" >&2; exit 1; }

command -v java >/dev/null || stop "Java is missing; install version 11 or 17 (Debian: apt-get install default-jre-headless)."
command -v mvn >/dev/null || stop "Maven is missing; install it (Debian: apt-get install maven)."
rm -rf "$fresh" "$merged"
mvn --batch-mode --quiet --file "$pom" dependency:copy-dependencies "-DoutputDirectory=$fresh" >&2 ||
  stop "Maven could not fetch what $pom names; its message is above."
(cd "$fresh" && sha256sum --check --strict --quiet "$sums") >&2 ||
  stop "a file is not the one that requirements/$name.sha256 names; it is listed above. Remove it from ~/.m2 and try again."
[ "$(ls "$fresh" | wc -l)" = "$(wc -l <"$sums")" ] ||
  stop "more files came than requirements/$name.sha256 names; after a change of $pom write it anew with sha256sum."
if grep -q maven-shade-plugin "$pom"; then
  mvn --batch-mode --quiet --file "$pom" jar:jar shade:shade "-Dmerged=$merged" >&2 ||
    stop "Maven could not make one file of them; its message is above."
  rm -rf "$fresh"
  mkdir "$fresh"
  mv "$merged/job-server.jar" "$fresh"
  rm -rf "$merged"
fi
rm -rf ".$name/jars"
mv "$fresh" ".$name/jars"
