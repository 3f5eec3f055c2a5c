# shellcheck shell=bash
# Senders that people use today: what they send is taken by our service and decrypted by our user agent.

ours=''         # what is heard of the user agent, a file descriptor
agent=''        # and its process
subscription_json=''

# Those that keep the port in the `aud` of their tokens (RFC 8292 §2).
senders_all() {
    part=senders
    senders_keys
    local sender
    for sender in web-push-node pywebpush; do
        sends_all "$sender"
    done
    for sender in web-push-rust web-push-native; do
        sends "$sender" ''
        drops_port "$sender"
    done
}

# The others, at a service whose port is the default one.
senders_at_default_port() {
    part=senders
    local sender
    for sender in web-push-rust web-push-native; do
        sends_all "$sender"
    done
}

# In the form that each of them reads.
senders_keys() {
    "$webpush" keygen --format json >"$work/key.json"
    "$webpush" keygen --out "$work/key.pem" >"$work/key.public" 2>/dev/null
    public_json=$(node -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).publicKey' <"$work/key.json")
    public_pem=$(cat "$work/key.public")
}

# key_of SENDER: sets $key, its file, and $public.
key_of() {
    case $1 in
        web-push-node) key=$work/key.json public=$public_json ;;
        *) key=$work/key.pem public=$public_pem ;;
    esac
}

# name SENDER: and its version.
name() {
    case $1 in
        web-push-node) printf 'web-push %s (Node)' "$(node -p 'require(process.argv[1]).version' "$here/node/node_modules/web-push/package.json")" ;;
        pywebpush) printf 'pywebpush %s' "$("$python" -c 'from importlib.metadata import version; print(version("pywebpush"))')" ;;
        web-push-rust) printf 'web-push %s (Rust)' "$(locked web-push)" ;;
        web-push-native) printf 'web-push-native %s' "$(locked web-push-native)" ;;
    esac
}

# locked CRATE: its version in the lock file.
locked() { awk -v crate="\"$1\"" '$1 == "name" { found = $3 == crate } found && $1 == "version" { gsub(/"/, "", $3); print $3 }' "$here/rust/Cargo.lock"; }

# largest SENDER: the largest payload that it takes, up to the largest there is (RFC 8291 §4).
largest() {
    case $1 in web-push-rust) echo 3052 ;; *) echo 3993 ;; esac
}

# send SENDER PAYLOAD [KEY]: one message to $subscription_json. Sets $status.
send() {
    local sender=$1 payload=$2 crate
    shift 2
    case $sender in
        web-push-node)
            status=$(NODE_EXTRA_CA_CERTS=$ca timeout 30 node "$here/node/send.mjs" "$subscription_json" "$payload" "$@") || fail "$sender: exit code $?" ;;
        pywebpush)
            status=$(REQUESTS_CA_BUNDLE=$ca timeout 30 "$python" "$here/python/send.py" "$subscription_json" "$payload" "$@") || fail "$sender: exit code $?" ;;
        *)
            crate=${sender/web-push-rust/web-push}
            "$senders" "$crate" "$subscription_json" "$payload" "$work/body.sent" "$@" >"$work/curl.conf" || fail "$sender: exit code $?"
            request http2 POST "$(sed -nE 's/^url = "(.*)"/\1/p' "$work/curl.conf")" --config <(grep -E '^(header|data-binary) = ' "$work/curl.conf") ;;
    esac
}

# sends_all SENDER: signed and not, to subscriptions for everybody and for one key only.
sends_all() {
    key_of "$1"
    sends "$1" ''
    sends "$1" '' "$key"
    sends "$1" "$public" "$key"
}

# sends SENDER PUBLIC-KEY [KEY]: text, and as many octets as it takes, to a subscription for the holder of PUBLIC-KEY,
# or for everybody.
sends() {
    local sender=$1 restricted=$2 line what payload
    shift 2
    hears "$restricted"
    printf 'Grüße, 世界' >"$work/payload.1"
    octets "$(largest "$sender")" >"$work/payload.2"
    for payload in "$work"/payload.[12]; do
        send "$sender" "$payload" "$@"
        equal "status of a message by $sender" 201 "$status"
        IFS= read -r -t 30 -u "$ours" line || fail "webpush listen said nothing of a message by $sender"
        node "$here/node/heard.mjs" "$payload" <<<"$line" || fail "a message by $sender was not decrypted as it was sent"
    done
    what=unsigned
    [[ $# == 0 ]] || what='signed by VAPID'
    [[ -z $restricted ]] || what+=', to a subscription for this key only'
    say "$(name "$sender"): $what -> 201; \`webpush listen\` decrypts text and $(largest "$sender") octets"
    hears_no_more
}

# drops_port SENDER: it names the service without its port, so the token is for another service.
drops_port() {
    key_of "$1"
    hears "$public"
    printf 'not for you' >"$work/payload.1"
    send "$1" "$work/payload.1" "$key"
    refused 403 'RFC 8292 §2' "a token by $1" "$(endpoint)"
    matches "reason" 'vapid-audience' "$problem"
    say "$(name "$1"): drops the port of $origin from aud -> 403 ($problem)"
    hears_no_more
}

endpoint() { node -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).endpoint' <"$subscription_json"; }

# hears PUBLIC-KEY: `webpush listen` subscribes, for the holder of this key only if there is one. Sets $ours and
# $subscription_json.
hears() {
    local pipe line restricted=()
    [[ -z $1 ]] || restricted=(--vapid "$1")
    pipe=$(mktemp -u "$work/agent.XXXX")
    subscription_json=$pipe.json
    mkfifo "$pipe"
    "$webpush" listen --url "$origin" --ca "$ca" --json --subscription-out "$subscription_json" "${restricted[@]}" >"$pipe" &
    agent=$!
    services+=("$agent")
    exec {ours}<"$pipe"
    IFS= read -r -t 30 -u "$ours" line || fail "webpush listen did not say its subscription"
    matches "the first line of webpush listen" '^\{"subscription":' "$line"
}

# hears_no_more: and nothing more came than what was looked at.
hears_no_more() {
    local rest='' end=0
    kill -INT "$agent"
    IFS= read -r -t 30 -d '' -u "$ours" rest || end=$?
    ((end <= 128)) || fail "webpush listen was still there 30 seconds after SIGINT"
    equal "what webpush listen said besides" '' "$rest"
    end=0
    wait "$agent" || end=$?
    equal "exit code of webpush listen" 0 "$end"
    unset 'services[-1]'
    exec {ours}<&-
}
