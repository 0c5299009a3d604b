/**
 * The cause of a failed start, out of what LXC has logged about it: the first error is where it began, those after
 * it only follow. `undefined` when none is there.
 *
 * @param log lines such as `lxc-start d1 20261121… ERROR    conf - ../src/lxc/conf.c:f:1451 - Invalid argument - No …`
 */
export function firstError(log: string): string | undefined {
  return /^.*? ERROR +\S+ - \S+ - (.*)$/m.exec(log)?.[1]
}
