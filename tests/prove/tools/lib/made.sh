# made BYTES PATH: writes so many bytes that depend on the path's last two names; creates its directories.
made() {
  mkdir -p "$(dirname "$2")"
  yes "$(basename "$(dirname "$2")")/$(basename "$2")" | head -c "$1" >"$2"
}

# has WORD ARGUMENT...: whether one of the arguments is WORD.
has() {
  word=$1
  shift
  for each in "$@"; do
    [ "$each" != "$word" ] || return 0
  done
  return 1
}

# named FILE: the first words of its lines.
named() {
  sed -e 's/[^A-Za-z0-9_-].*//' -e '/^$/d' "$1"
}
