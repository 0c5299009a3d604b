import { SESSION_DISPLAYS, type SessionDisplay, type SocketKind } from '@ostler/contract/identity.ts'
import { reachDisplay } from '../display/reach.ts'
import type { CallerIdentity } from '../guest/agent-link.ts'
import { MACHINE } from '../model/hypervisor-kind.ts'
import { displaySocket } from '../model/run-folder.ts'
import { reachThroughAgent } from './carried-display.ts'
import type { Reach } from './open-desktop.ts'

/**
 * Reaches displays of this node: by their unix socket, but through the agent those of sessions in virtual machines.
 * @param parts `run` is `path.run`; `identity` is what we present to agents.
 */
export function reachHere({
  run,
  identity,
}: {
  readonly run: string
  readonly identity: () => CallerIdentity
}): Reach {
  return (vm, kind) =>
    vm.hypervisor === MACHINE && isOfSession(kind)
      ? reachThroughAgent(vm, kind, identity())
      : reachDisplay(vm.id, displaySocket(run, vm.id, kind))
}

function isOfSession(kind: SocketKind): kind is SessionDisplay {
  return SESSION_DISPLAYS.some((display) => display === kind)
}
