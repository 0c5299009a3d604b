/** Ids as kernels have them. */
const HIGHEST_ID = 0xfffffffe

/**
 * The command line of a program that runs as a user of its own, by number, who may nothing and can never become
 * more: no capabilities, no groups but those given, and no set-user-id program helps it.
 */
export function confined(
  uid: number,
  groups: readonly number[],
  argv: readonly string[],
): { command: string; args: string[] } {
  for (const id of [uid, ...groups])
    if (!Number.isInteger(id) || id < 1 || id > HIGHEST_ID) throw new RangeError(`${id} is nobody's number`)
  const kept = groups.length === 0 ? ['--clear-groups'] : [`--groups=${groups.join(',')}`]
  return {
    command: 'setpriv',
    args: [
      ...[`--reuid=${uid}`, `--regid=${uid}`, ...kept, '--no-new-privs'],
      ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
      ...argv,
    ],
  }
}
