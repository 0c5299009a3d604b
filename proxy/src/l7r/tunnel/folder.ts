import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { displayOn } from '../../display/display-socket.ts'
import { agentOf, type FarEnd, inTime } from './far-end.ts'

/** Folders of the user's machine, which the agent mounts for her session. */
export const folderEnd: FarEnd = {
  states: ['running'],
  open: async (tunnelling) => {
    using link = agentOf(tunnelling)
    try {
      return displayOn(await link.upgrade(upgradeApi.folders, {}, inTime(tunnelling)))
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'request.notFound') throw error
      const detail = { desktop: tunnelling.vm.id, kind: 'folders on a stream of their own' }
      throw new Fault('tunnel.unsupported', detail, { cause: error })
    }
  },
}
