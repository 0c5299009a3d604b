import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { displayOn } from '../../display/display-socket.ts'
import { agentOf, type FarEnd, inTime } from './far-end.ts'

/** The picture of the running session, by RFB, once its user agreed. */
export const supportEnd: FarEnd = {
  states: ['running'],
  open: async (tunnelling) => {
    using link = agentOf(tunnelling)
    return displayOn(await link.upgrade(upgradeApi.vnc_connect, {}, inTime(tunnelling)))
  },
}
