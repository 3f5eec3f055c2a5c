# shellcheck shell=bash
# What the parts share: what is said, one request by curl, the service under test.
# `interop/run` sets $work, a folder for the files of this run, and $webpush, the program under test.

part=''        # the client at work, for the reports
log=''         # what the service in use logs
problem=''     # the section and reason of the last refusal
status=''      # of the last response: its code,
version=''     # its HTTP version,
origin=''      # the service in use,
data=''        # its folder, what it said of itself,
ready=''
ca=''          # and whom its certificate is signed by

# say TEXT: one line on what was received.
say() { printf '   %s: %s\n' "$part" "$*"; }

# fail TEXT: what was expected and what came, and the end of it.
fail() {
    printf '\nFAILED %s: %s\n' "$part" "$*" >&2
    [[ -z $log ]] || { echo '-- the service said last:' && tail -n 20 "$log"; } >&2
    exit 1
}

# equal WHAT EXPECTED CAME
equal() { [[ $2 == "$3" ]] || fail "$1: expected <$2>, came <$3>"; }

# matches WHAT PATTERN CAME: PATTERN is an extended regular expression.
matches() { [[ $3 =~ $2 ]] || fail "$1: expected /$2/, came <$3>"; }

# same_octets WHAT EXPECTED_FILE CAME_FILE
same_octets() { cmp "$2" "$3" >&2 || fail "$1: $(wc -c <"$2") octets were sent, others came ($(wc -c <"$3"))"; }

# octets COUNT: random ones.
octets() { head -c "$1" /dev/urandom; }

# start FLAGS..: a service on a free port, and waits until it says that it is ready. Sets $origin, $ca and $log.
start() { start_at 127.0.0.1:0 "$@"; }

# start_at ADDRESS FLAGS..: as start, at this address.
start_at() {
    serve --listen "$1" --dev "${@:2}"
    ca=$data/dev/ca.pem
}

# serve FLAGS..: a service that these flags say all of but its data folder. Sets $origin, $data, $ready and $log.
serve() {
    data=$(mktemp -d "$work/service.XXXX")
    log=$data.log
    mkfifo "$data.ready"
    "$webpush" --log debug serve --data "$data" "$@" >"$data.ready" 2>"$log" &
    services+=($!)
    exec {stdout}<"$data.ready"
    IFS= read -r -t 60 -u "$stdout" ready || fail "the service did not say that it is ready"
    [[ $ready =~ public\ URL\ (https?://[a-z0-9.]+(:[0-9]+)?)$ ]] || fail "the ready line names no URL: <$ready>"
    origin=${BASH_REMATCH[1]}
}

# stop: SIGTERM to the service started last, which must end in good order; then what it logged is looked through.
stop() {
    local service=${services[-1]} end=0 told
    kill -TERM "$service"
    IFS= read -r -t 30 -d '' -u "$stdout" || end=$?
    ((end <= 128)) || fail "the service was still there 30 seconds after SIGTERM"
    end=0
    wait "$service" || end=$?
    unset 'services[-1]'
    exec {stdout}<&-
    equal "exit code of the service after SIGTERM" 0 "$end"
    told=$(grep -cE '[A-Za-z0-9_-]{60,}' "$log") || true
    equal "lines of the log with a capability or a key in them (G6)" 0 "$told"
    say "SIGTERM -> exit code 0; $(wc -l <"$log") lines of log at debug hold no capability URL and no key"
}

# request VERSION METHOD URL OPTIONS..: one request by curl. Sets $status and $version; then there are $work/head and
# $work/body. VERSION is http1.1, http2 or http2-prior-knowledge.
request() {
    local came options=(--silent --show-error --max-time 20 "--$1" --request "$2")
    [[ -z $ca ]] || options+=(--cacert "$ca")
    : >"$work/body"
    came=$(curl "${options[@]}" --dump-header "$work/head" --output "$work/body" \
        --write-out '%{http_code} %{http_version}' "${@:4}" "$3") || fail "curl $2 by $1: exit code $?, came <$came>"
    read -r status version <<<"$came"
    case $1 in http1.1) equal "HTTP version" 1.1 "$version" ;; *) equal "HTTP version" 2 "$version" ;; esac
}

# field NAME: its value in the last response; several lines as one.
field() {
    awk -v name="${1,,}" '
        /^HTTP\// { value = ""; next }
        { sub(/\r$/, ""); colon = index($0, ":") }
        colon && tolower(substr($0, 1, colon - 1)) == name {
            found = substr($0, colon + 1); sub(/^[ \t]+/, "", found); value = (value == "" ? "" : value ", ") found
        }
        END { print value }' "$work/head"
}

# link_to RELATION LINKS: the target of the link with this relation, urn:ietf:params:push or what comes behind it.
link_to() {
    [[ $2 =~ \<([^\>]*)\>\;\ *rel=\"urn:ietf:params:push$1\" ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# token URL: the secret in it.
token() { printf '%s\n' "${1##*/}"; }

# path URL: what is behind the origin.
path() { printf '%s\n' "/${1#*://*/}"; }

# subscribe VERSION OPTIONS..: sets $subscription, $push and $subscription_set (8030-4-2, 8030-4-3).
subscribe() {
    request "$1" POST "$origin/subscribe" "${@:2}"
    equal "status of a subscribe" 201 "$status"
    subscription=$(field location)
    push=$(link_to '' "$(field link)") || fail "no link to a push resource in <$(field link)>"
    subscription_set=$(link_to :set "$(field link)") || fail "no link to a subscription set in <$(field link)>"
    local url
    for url in "$subscription" "$push" "$subscription_set"; do
        matches "a URL of the subscribe" "^$origin/[a-z]+/[A-Za-z0-9_-]{20,}\$" "$url"
    done
}

# post VERSION FILE OPTIONS..: a message for $push, with TTL 3600; whatever comes is left to the caller.
post() {
    request "$1" POST "$push" --header 'TTL: 3600' --header 'Content-Type: application/octet-stream' \
        --header 'Content-Encoding: aes128gcm' --data-binary "@$2" "${@:3}"
}

# accepted STATUS: the last response took a message; sets $message.
accepted() {
    equal "status of a message" "$1" "$status"
    message=$(field location)
    matches "Location of a message" "^$origin/[a-z]+/[A-Za-z0-9_-]{20,}\$" "$message"
}

# refused STATUS SECTION WHAT [URL]: the last response is a problem document that names the section (an extended regular
# expression) and does not repeat the secret of the URL. Sets $problem, its section and reason.
refused() {
    equal "status of $3 by HTTP/$version" "$1" "$status"
    equal "content type of the $1 for $3" application/problem+json "$(field content-type)"
    problem=$(node "$here/node/problem.mjs" "$1" <"$work/body") || fail "$3: <$(cat "$work/body")> is no problem document"
    matches "section of the $1 for $3" "$2" "$problem"
    if grep -qF -- "$(token "${4:-$push}")" "$work/body" "$work/head"; then
        fail "the $1 for $3 tells the secret of the URL"
    fi
}

# say_refused STATUS SECTION WHAT [URL]
say_refused() {
    refused "$@"
    say "$3 by HTTP/$version -> $1 ($problem)"
}
