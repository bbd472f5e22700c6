# Completion of the tools of dist for bash. The tools themselves say what they take (--completion: a line
# "option<TAB>argument" for each option, a word for each subcommand), so nothing has to be kept in step here.

_dist_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# What the option takes: words as "a|b|c", the name of an argument, or nothing for a flag. Fails where there is no
# such option.
_dist_argument() {
    local name argument
    while IFS=$'\t' read -r name argument; do
        [[ $name == "$1" ]] || continue
        printf '%s' "$argument"
        return 0
    done <<<"$2"
    return 1
}

_dist_value() {
    local argument=$1 cur=$2
    case $argument in
        *'|'*) mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$cur") ;;
        file | folder | path) _dist_files "$cur" ;;
    esac
}

# Subcommands stand first; elsewhere an operand is a file where the synopsis says so.
_dist_operand() {
    local tool=$1 cur=$2 table=$3 words synopsis
    words=$(grep -v '^-' <<<"$table" | cut -f1)
    if [[ $words ]]; then
        ((COMP_CWORD > 1)) || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi
    synopsis=$("$tool" -h 2>/dev/null)
    [[ $synopsis != *'[file ...]'* ]] || _dist_files "$cur"
}

_dist() {
    local tool=$1 cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} table argument word
    COMPREPLY=()
    table=$("$tool" --completion 2>/dev/null) || return
    # bash takes "--priority=hi" as three words.
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $option == '=' ]] && ((COMP_CWORD > 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        [[ $word != -- ]] || { _dist_operand "$tool" "$cur" "$table"; return; }
    done
    if argument=$(_dist_argument "$option" "$table") && [[ $argument ]]; then
        _dist_value "$argument" "$cur"
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep '^-' <<<"$table" | cut -f1)" -- "$cur")
    else
        _dist_operand "$tool" "$cur" "$table"
    fi
}

complete -F _dist dist-submit dist-route dist-transform dist-deliver dist-status dist-dlq dist-admin
