#!/bin/sh
# versions.sh [VERSION] - which version runs where. Ends with 1 if a living member with role=app
# does not answer, or runs something else than VERSION.
set -eu

expected=$(serf members -status alive -tag role=app -format json)
answers=$(serf query -tag role=app -timeout "${TIMEOUT:-3s}" -format json version)
printf '%s\n%s\n' "$expected" "$answers" | jq -rs --arg wanted "${1-}" '
    (.[1].Responses // {}) as $answers
    | [.[0].members[]?.name] | sort
    | map({name: ., version: ($answers[.] // "no answer" | rtrimstr("\n"))})
    | (.[] | "\(.name)\t\(.version)"),
      (if length == 0 then "no member has role=app\n" | halt_error(1) else empty end),
      (map(select(.version == "no answer" or ($wanted != "" and .version != $wanted)) | .name)
        | if . == [] then empty else "not as wanted: \(join(", "))\n" | halt_error(1) end)'
