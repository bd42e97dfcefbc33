#!/usr/bin/env bash
# Makes a certificate authority, and from it a certificate for each service: for Elasticsearch, Kibana, Filebeat and Synod to know each other by.
#
# usage: scripts/certificates.sh [--help] FOLDER NAME[=SUBJECT,SUBJECT...] ...
#
#   scripts/certificates.sh certificates elasticsearch=elasticsearch.bank.example,10.0.0.5 kibana synod
#
# makes
#   certificates/authority/ca.key          the authority's key: give it to no service, mount this folder nowhere, keep it offline if you can
#   certificates/ca.pem                    the authority's certificate: what the others trust
#   certificates/NAME/NAME.pem, NAME.key   a certificate for servers and clients, and its key; ca.pem lies beside them, so that a service needs
#                                          this folder and no other
#
# A subject is a host's name or an address; NAME itself, localhost, 127.0.0.1 and ::1 are always among them. What is there and good for 30 more days
# is left as it is, so this can be run again at any time, every day for instance; a certificate for other subjects is made anew. A new authority
# (it holds for ten years) makes all certificates anew. Keys can be read by their owner alone: give a folder to the user of its service.
case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
here=$PWD
. "$(dirname "$0")/lib.sh"
cd "$here"
umask 077

renewal=$((30 * 24 * 60 * 60))
days_of_authority=3650
days=365

fail() { echo "certificates.sh: $*" >&2; exit 2; }

[ $# -ge 2 ] || fail "say where, and for which services: scripts/certificates.sh FOLDER NAME[=SUBJECT,...] ... (--help says more)"
command -v openssl >/dev/null || need openssl
folder=$1
shift

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# Whether a certificate is there and good for a while.
lasts() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend "$renewal" >/dev/null 2>&1; }

# Whether a key and a certificate belong together.
belong() {
    [ -s "$1" ] && [ -s "$2" ] && [ "$(openssl pkey -in "$1" -pubout 2>/dev/null)" = "$(openssl x509 -in "$2" -noout -pubkey 2>/dev/null)" ]
}

make_authority() {
    mkdir -p "$folder/authority"
    if lasts "$folder/ca.pem" && belong "$folder/authority/ca.key" "$folder/ca.pem"; then return; fi
    # Without its key the authority can still be trusted, and nothing be made from it: somebody has to decide.
    if lasts "$folder/ca.pem" && [ ! -e "$folder/authority/ca.key" ]; then
        fail "$folder/authority/ca.key is not there: bring it back, or delete $folder/ca.pem for a new authority"
    fi
    say "making the authority $folder/ca.pem"
    key "$folder/authority/ca.key.new"
    openssl req -x509 -new -key "$folder/authority/ca.key.new" -days "$days_of_authority" -subj "/CN=Synod's own authority $(date -u +%F)" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -addext subjectKeyIdentifier=hash -out "$folder/ca.pem.new"
    mv "$folder/authority/ca.key.new" "$folder/authority/ca.key"
    mv "$folder/ca.pem.new" "$folder/ca.pem"
}

# The subjects of a service, as openssl has them: one a line, each once, in an order that is always the same.
subjects() {
    local name=$1 subject
    shift
    for subject in "$name" "$@" localhost 127.0.0.1 ::1; do
        if [[ $subject =~ ^[0-9.]+$ || $subject == *:* ]]; then echo "IP:$subject"; else echo "DNS:$subject"; fi
    done | awk '!seen[$0]++'
}

make_certificate() {
    local name=$1 at=$folder/$1 wanted text
    shift
    wanted=$(subjects "$name" "$@" | paste -sd, -)
    text=$at/$name
    mkdir -p "$at"
    if lasts "$text.pem" && belong "$text.key" "$text.pem" && [ "$(cat "$text.subjects" 2>/dev/null)" = "$wanted" ] &&
        openssl verify -CAfile "$folder/ca.pem" "$text.pem" >/dev/null 2>&1; then
        return
    fi
    say "making the certificate of $name, for $wanted"
    key "$text.key.new"
    openssl req -new -key "$text.key.new" -subj "/CN=$name" -out "$text.request"
    openssl x509 -req -in "$text.request" -CA "$folder/ca.pem" -CAkey "$folder/authority/ca.key" -days "$days" \
        -set_serial "0x$(openssl rand -hex 16 | sed 's/^./4/')" -out "$text.pem.new" -extfile <(
            printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,clientAuth \
                subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "subjectAltName=$wanted"
        ) 2>/dev/null || fail "$name: these subjects cannot be had: $wanted"
    rm "$text.request"
    mv "$text.key.new" "$text.key"
    mv "$text.pem.new" "$text.pem"
    echo "$wanted" >"$text.subjects"
    # Certificates are for everybody to read; their keys are not.
    chmod 644 "$text.pem"
}

# All words are read before anything is made.
for word in "$@"; do
    name=${word%%=*}
    [[ $name =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] || fail "\`$name\` is no name of a service: lower-case letters, digits and \`-\`"
    [ "$name" != authority ] || fail "\`authority\` is where the authority's key is: call the service something else"
    case $word in *=*) [[ ${word#*=} =~ ^[A-Za-z0-9.:*-]+(,[A-Za-z0-9.:*-]+)*$ ]] || fail "$name: \`${word#*=}\` is no list of names and addresses, parted by commas" ;; esac
done
mkdir -p "$folder"
make_authority
chmod 644 "$folder/ca.pem"
for word in "$@"; do
    name=${word%%=*}
    list=()
    case $word in *=*) IFS=, read -r -a list <<<"${word#*=}" ;; esac
    make_certificate "$name" "${list[@]}"
    cp "$folder/ca.pem" "$folder/$name/ca.pem"
    chmod 644 "$folder/$name/ca.pem"
done
