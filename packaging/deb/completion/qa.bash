# Completion of qa(1) for bash: its objects, and what can be done with each.
_qa() {
  local word=${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='tenant user group osf di vm home policy backup notice host job config administrator token audit pool
      storage doctor import --help'
  elif [ "$COMP_CWORD" -eq 2 ]; then
    case ${COMP_WORDS[1]} in
    tenant) words='add edit del list block unblock' ;;
    user) words='add del list passwd block unblock propget propset propdel' ;;
    group) words='add del list join leave' ;;
    osf) words='add edit del list propget propset propdel' ;;
    di) words='add capture del list tag untag block unblock roll-out propget propset propdel' ;;
    vm) words='add edit del list start stop disconnect explain reset console ssh vnc tunnel block unblock
      propget propset propdel' ;;
    home) words='list del purge restore adopt' ;;
    policy) words='add del list' ;;
    backup) words='now list' ;;
    notice) words='list' ;;
    host) words='add del list counters block unblock propget propset propdel maintenance open' ;;
    import) words='qvd' ;;
    job) words='list show run pause resume stop' ;;
    config) words='get set del list doctor import ssl' ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _qa qa qvd-admin
