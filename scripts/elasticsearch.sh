#!/usr/bin/env bash
# Prepares a real Elasticsearch for the tests, from the jars that Elastic publishes, and prints its folder. Where it is there already, that is all.
#
# usage: scripts/elasticsearch.sh [--help] [VERSION]
#
# VERSION is 9.5.3 where there is a JDK 21 or newer ($JAVA_HOME, /usr/lib/jvm), else 8.19.21, which a JDK 17 runs. The jars are the server and its
# HTTP, without security, index lifecycle management and most processors of pipelines. They are under Elastic's licence: they are fetched by
# those who test, and never shipped. The folder is $CARGO_TARGET_DIR/tools/elasticsearch-VERSION; tests find it by themselves, and start it on
# free ports of the loopback.
case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
. "$(dirname "$0")/lib.sh"

# The version of a JDK in this folder, as 21; nothing if it holds none.
jdk_version() {
    [ -x "$1/bin/javac" ] && [ -x "$1/bin/jar" ] || return 0
    "$1/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p'
}

# Sets jdk and jdk_is to the JDK named by JAVA_HOME, if it will do, or else to the newest.
find_jdk() {
    local folder version
    jdk= jdk_is=0
    for folder in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        version=$(jdk_version "$folder")
        if [ "${version:-0}" -gt "$jdk_is" ]; then jdk=$folder jdk_is=$version; fi
        if [ -n "${JAVA_HOME:-}" ] && [ "$folder" = "$JAVA_HOME" ] && [ "$jdk_is" -ge 21 ]; then return; fi
    done
}

need_jdk() {
    find_jdk
    [ "$jdk_is" -lt 17 ] || return 0
    if apt-cache show openjdk-21-jdk-headless >/dev/null 2>&1; then need openjdk-21-jdk-headless; else need openjdk-17-jdk-headless; fi
    find_jdk
}

pom() {
    cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>synod</groupId><artifactId>elasticsearch</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.elasticsearch</groupId><artifactId>elasticsearch</artifactId><version>$1</version></dependency>
    <dependency><groupId>org.elasticsearch.plugin</groupId><artifactId>transport-netty4</artifactId><version>$1</version></dependency>
  </dependencies>
</project>
POM
}

# A module as the server looks for it: a folder with jars, and this beside them.
describe() {
    local module=$1 class=$2 java=21
    [ "${version%%.*}" != 8 ] || java=17
    printf '%s\n' "name=$module" "description=$module" "version=$version" "classname=$class" "java.version=$java" \
        "elasticsearch.version=$version" extended.plugins= has.native.controller=false >"$module/plugin-descriptor.properties"
}

compile() {
    "$jdk/bin/javac" --module-path home/lib --add-modules ALL-MODULE-PATH -nowarn -d "$@"
}

prepare() {
    local sources=$root/tests/elasticsearch jar
    pom "$version" >pom.xml
    mvn -q -B -Dstyle.color=never dependency:copy-dependencies -DoutputDirectory=jars >&2
    mkdir -p home/{lib,config,modules/transport-netty4,modules/root}
    for jar in jars/*.jar; do
        case "${jar##*/}" in
            transport-netty4* | netty-*) mv "$jar" home/modules/transport-netty4/ ;;
            # The server's own jars must be modules: on a plain class path it does not start.
            *) mv "$jar" home/lib/ ;;
        esac
    done
    compile classes/root "$sources/Root.java" "$sources/${version%%.*}/RootPlugin.java"
    "$jdk/bin/jar" cf home/modules/root/root.jar -C classes/root .
    compile classes/launcher "$sources/Launcher.java"
    (cd home/modules && describe transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin && describe root RootPlugin)
    ln -s "$(readlink -f "$jdk")/bin/java" java
    rmdir jars
}

need_jdk
version=${1:-}
if [ -z "$version" ]; then version=8.19.21; [ "$jdk_is" -lt 21 ] || version=9.5.3; fi
folder=$CARGO_TARGET_DIR/tools/elasticsearch-$version
# What it is made of: another launcher makes another folder.
recipe=$(cat scripts/elasticsearch.sh tests/elasticsearch/*.java tests/elasticsearch/*/*.java | sha256sum)
if [ "$(cat "$folder/complete" 2>/dev/null)" != "$recipe" ] || [ ! -x "$folder/java" ]; then
    command -v mvn >/dev/null || need maven
    say "preparing Elasticsearch $version with the JDK $jdk_is in $jdk"
    rm -rf "$folder"
    mkdir -p "$folder"
    (cd "$folder" && prepare && echo "$recipe" >complete)
fi
(cd "$folder" && pwd)
