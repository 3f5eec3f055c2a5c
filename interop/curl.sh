# shellcheck shell=bash
# curl: a user agent that subscribes and ends, and application servers over HTTP/1.1 and HTTP/2, good and bad.

attempts=5      # of what may go well by chance

curl_all() {
    part=curl
    curl_subscribes
    curl_sends
    curl_body_limits
    curl_bad_fields
    curl_bad_urls
    curl_wrong_methods
    curl_vapid
    curl_acknowledges
    curl_streams
    curl_unsubscribes
}

curl_subscribes() {
    subscribe http1.1
    say "POST /subscribe by HTTP/1.1 -> 201 with Location and links to a push resource and a set"
    subscribe http2
    say "POST /subscribe by HTTP/2 over TLS -> 201 with Location and links to a push resource and a set"
    request http2 POST "$origin/subscribe" --header 'Content-Type: application/webpush-options+json' --data '{"vapid":'
    say_refused 400 'RFC 8292 §4.1' "subscription options that are broken JSON"
    request http2 POST "$origin/subscribe" --header "Link: <$origin/a/$(token "$push")>; rel=\"urn:ietf:params:push:set\""
    say_refused 400 'RFC 8030 §4.1' "subscribing to a set that is none"
}

curl_sends() {
    local http first receipts
    octets 300 >"$work/message"
    for http in http2 http1.1; do
        first=${message-}
        post "$http" "$work/message" --header 'Urgency: high' --header 'Topic: curl'
        accepted 201
        [[ $message != "$first" ]] || fail "two messages have the same URL"
        equal "TTL granted" 3600 "$(field ttl)"
        say "message by HTTP/$version -> 201 with Location, TTL $(field ttl)"
        post "$http" "$work/message" --header 'Prefer: respond-async'
        accepted 202
        receipts=$(link_to :receipt "$(field link)") || fail "no link to a receipt subscription in <$(field link)>"
        matches "receipt subscription" "^$origin/[a-z]+/[A-Za-z0-9_-]{20,}\$" "$receipts"
        say "message with Prefer: respond-async by HTTP/$version -> 202 with Location and a link to receipts"
    done
}

# 8030-7.2-4, 8030-7.2-5: with Content-Length, and streamed without.
curl_body_limits() {
    local http size
    for http in http2 http1.1; do
        for size in 0 1 4095 4096; do
            octets "$size" >"$work/sized"
            post "$http" "$work/sized"
            accepted 201
            stream "$http" "$work/sized"
            accepted 201
        done
        say "0, 1, 4095 and 4096 octets by HTTP/$version, with and without Content-Length -> 201"
        # Without Expect, so that the body is on its way already when it is refused. The sender must learn why: many
        # lose a response that overtakes their body, so up to what was in flight is to be read all the same.
        for size in 4097 65536; do
            octets "$size" >"$work/sized"
            insist post "$http" "$work/sized" --header 'Expect:'
            say_refused 413 'RFC 8030 §7.2' "$size octets, $attempts times,"
            insist stream "$http" "$work/sized" --header 'Expect:'
            say_refused 413 'RFC 8030 §7.2' "$size octets without Content-Length, $attempts times,"
        done
    done
    insist stream http1.1 "$work/sized" --header 'Expect: 100-continue'
    say_refused 413 'RFC 8030 §7.2' "$size octets without Content-Length, after 100 (Continue), $attempts times,"
}

# insist COMMAND..: several times, since what it looks for is a race; any failure of curl ends the run.
insist() {
    local attempt
    for ((attempt = 1; attempt <= attempts; attempt++)); do "$@"; done
}

# stream VERSION FILE OPTIONS..: as post, but chunked, or DATA frames without Content-Length.
stream() {
    request "$1" POST "$push" --header 'TTL: 3600' --upload-file - "${@:3}" <"$2"
}

curl_bad_fields() {
    local ttl topic
    bad_field 'RFC 8030 §5.2' "no TTL" --header 'TTL:'
    for ttl in abc -1 +5 1.5 15s '1, 2'; do
        bad_field 'RFC 8030 §5.2' "TTL: $ttl" --header "TTL: $ttl"
    done
    bad_field 'RFC 8030 §5.2' "an empty TTL" --header 'TTL;'
    bad_field 'RFC 8030 §5.2' "two lines of TTL" --header 'TTL: 1' --header 'TTL: 1'
    for topic in 'a b' 'a=' a/b a,b é 123456789012345678901234567890123; do
        bad_field 'RFC 8030 §5.4' "Topic: $topic" --header 'TTL: 1' --header "Topic: $topic"
    done
    bad_field 'RFC 8030 §5.3' "Urgency: low, high" --header 'TTL: 1' --header 'Urgency: low, high'
    bad_field 'RFC 8030 §5.3' "two lines of Urgency" --header 'TTL: 1' --header 'Urgency: low' --header 'Urgency: high'
    bad_field 'RFC 8030 §5.3' "Urgency: soon" --header 'TTL: 1' --header 'Urgency: soon'
}

# bad_field SECTION WHAT HEADERS..
bad_field() {
    local http
    for http in http2 http1.1; do
        request "$http" POST "$push" --header 'Content-Type:' --data-binary @"$work/message" "${@:3}"
        refused 400 "$1" "$2"
    done
    say "$2 by HTTP/2 and HTTP/1.1 -> 400 ($problem)"
}

# A URL that is not one of ours says nothing but 404, whoever asks for what (8030-8.3-2).
curl_bad_urls() {
    local alphabet=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_
    local secret before url
    secret=$(token "$push")
    before=${alphabet%%"${secret: -1}"*}
    gone "whose last character differs in its last bit" "$origin/p/${secret%?}${alphabet:${#before} ^ 1:1}"
    gone "whose last character differs in its first bit" "$origin/p/${secret%?}${alphabet:${#before} ^ 32:1}"
    before=${alphabet%%"${secret:0:1}"*}
    gone "whose first character differs" "$origin/p/${alphabet:${#before} ^ 1:1}${secret:1}"
    gone "cut short by one" "$origin/p/${secret%?}"
    gone "with one character more" "$origin/p/${secret}A"
    gone "with padding" "$origin/p/$secret="
    gone "of the right length, made up" "$origin/p/$(octets 200 | base64 --wrap 0 | tr '+/' '-_' | head -c "${#secret}")"
    gone "that is short" "$origin/p/made-up"
    for url in "$origin/p/" "$origin/nowhere"; do
        request http2 GET "$url"
        say_refused 404 'RFC 8030 §7.3' "$(path "$url")"
    done
    request http1.1 GET "$origin/"
    say_refused 426 'RFC 6455 §4.2' "the place of WebSockets, by a request for none,"
    equal "Upgrade of the 426" websocket "$(field upgrade)"
}

# gone WHAT URL: for senders and receivers alike.
gone() {
    local http method
    for method in POST GET DELETE; do
        request http2 "$method" "$2" --header 'TTL: 60'
        refused 404 'RFC 8030 §7.3' "$method with a token $1" "$2"
    done
    for http in http2 http1.1; do
        insist request "$http" POST "$2" --header 'TTL: 60' --data-binary @"$work/message"
        refused 404 'RFC 8030 §7.3' "message to a token $1" "$2"
    done
    say "a message to, and GET and DELETE with a token $1 -> 404 ($problem)"
}

curl_wrong_methods() {
    not_allowed POST "the push resource" "$push" GET PUT DELETE PATCH
    not_allowed POST "the service" "$origin/subscribe" GET PUT DELETE
    not_allowed 'GET, DELETE' "a subscription" "$subscription" POST PUT
    not_allowed 'GET, DELETE' "a set" "$subscription_set" POST PUT
    not_allowed 'GET, DELETE' "a message" "$message" POST PUT
    request http1.1 GET "$subscription"
    say_refused 406 'RFC 8030 §6' "monitoring without server push" "$subscription"
}

# not_allowed ALLOWED WHAT URL METHODS..
not_allowed() {
    local http method
    for http in http2 http1.1; do
        for method in "${@:4}"; do
            request "$http" "$method" "$3"
            refused 405 'RFC 8030 §' "$method on $2" "$3"
            equal "Allow on $2" "$1" "$(field allow)"
        done
    done
    say "${*:4} on $2 by HTTP/2 and HTTP/1.1 -> 405, Allow: $1 ($problem)"
}

# Signed, well or badly, by Node.
curl_vapid() {
    local -A signed
    local kind credentials open=$push
    while read -r kind credentials; do signed[$kind]=$credentials; done < <(node "$here/node/vapid.mjs" "$origin")
    post http2 "$work/message" --header "Authorization: ${signed[good]}"
    accepted 201
    subscribe http2 --header 'Content-Type: application/webpush-options+json' --data "{\"vapid\":\"${signed[key]}\"}"
    post http2 "$work/message" --header "Authorization: ${signed[good]}"
    accepted 201
    post http1.1 "$work/message" --header "Authorization: ${signed[good]}"
    accepted 201
    say "message signed by Node, to a subscription with and without this key -> 201"
    post http2 "$work/message"
    say_refused 401 'RFC 8292 §4.2' "unsigned message to a subscription that has a key"
    matches "challenge" '^vapid' "$(field www-authenticate)"
    post http2 "$work/message" --header "Authorization: ${signed[of-another-key]}"
    say_refused 403 'RFC 8292 §4.2' "message signed by another key"
    unset 'signed[key]' 'signed[good]' 'signed[of-another-key]'
    for kind in "${!signed[@]}"; do
        post http2 "$work/message" --header "Authorization: ${signed[$kind]}"
        refused 403 'RFC 8292 §[234]' "VAPID that is $kind"
        # To a subscription without a key too (A-24).
        request http1.1 POST "$open" --header 'TTL: 60' --header "Authorization: ${signed[$kind]}"
        refused 403 'RFC 8292 §[234]' "VAPID that is $kind" "$open"
        say "VAPID that is $kind by HTTP/2 and HTTP/1.1 -> 403 ($problem)"
    done
}

curl_acknowledges() {
    subscribe http2
    post http2 "$work/message"
    accepted 201
    request http2 GET "$message"
    equal "status of reading a message" 200 "$status"
    same_octets "message read by itself" "$work/message" "$work/body"
    say "GET of a message -> 200, $(wc -c <"$work/body") octets as sent"
    request http2 DELETE "$message"
    equal "status of the first DELETE" 204 "$status"
    say "DELETE of a message -> 204"
    request http2 DELETE "$message"
    say_refused 404 'RFC 8030 §7.3' "the second DELETE" "$message"
    request http1.1 GET "$message"
    say_refused 404 'RFC 8030 §7.3' "GET after DELETE" "$message"
}

# A-12: what curl cannot take by server push it gets as an event stream (8030-6-8, 8030-6.3-4).
curl_streams() {
    local http receipts came
    octets 300 >"$work/message"
    for http in http1.1 http2; do
        subscribe "$http"
        listen "$http" "$subscription_set" 'Prefer: wait=0'
        equal "status of monitoring with nothing to deliver" 204 "$status"
        post "$http" "$work/message" --header 'Prefer: respond-async' --header 'Urgency: high'
        accepted 202
        receipts=$(link_to :receipt "$(field link)") || fail "no link to a receipt subscription in <$(field link)>"
        listen "$http" "$subscription_set" 'Prefer: wait=0'
        equal "status of an event stream" 200 "$status"
        equal "content type of an event stream" text/event-stream "$(field content-type)"
        node "$here/node/events.mjs" "$message" "$push" "$work/message" <"$work/body" || fail "<$(cat "$work/body")>"
        say "monitoring by HTTP/$version with Accept: text/event-stream -> the message, 300 octets as sent, and the end"
        request "$http" DELETE "$message"
        equal "status of the acknowledgement" 204 "$status"
        listen "$http" "$receipts" 'Prefer: wait=0'
        came=$(cat "$work/body")
        matches "the receipt as an event" "^event: receipt.data: .\"message\":\"$message\",\"status\":204.*event: end" "${came//$'\n'/ }"
        say "the receipt by HTTP/$version as an event -> 204 for that message"
    done
    # Open when it comes, not only stored.
    subscribe http2
    : >"$work/live"
    curl --silent --no-buffer --max-time 20 --cacert "$ca" --http1.1 --header 'Accept: text/event-stream' \
        "$subscription" >"$work/live" &
    local listening=$!
    until [[ -s $work/live ]]; do
        post http2 "$work/message" --header 'Topic: live'
        accepted 201
    done
    request http2 DELETE "$subscription"
    wait "$listening" || fail "curl ended with $?"
    grep -q '^event: message$' "$work/live" || fail "<$(cat "$work/live")>"
    equal "the last event" 'data: {"status":404,"reason":"not-found"}' "$(tail -n 2 "$work/live" | head -n 1)"
    say "messages as they come by HTTP/1.1, until the subscription ends -> event: end with 404"
    subscribe http2
}

# listen VERSION URL HEADER: monitors by an event stream.
listen() {
    request "$1" GET "$2" --no-buffer --header 'Accept: text/event-stream' --header "$3"
}

curl_unsubscribes() {
    request http2 DELETE "$subscription"
    equal "status of ending a subscription" 204 "$status"
    say "DELETE of a subscription -> 204"
    post http2 "$work/message"
    say_refused 404 'RFC 8030 §7.3' "message to a subscription that ended"
}
