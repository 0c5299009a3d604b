import { Fault } from '@ostler/contract/fault.ts'
import type { DesktopListItem } from '@ostler/contract/desktop.ts'
import type { ConnectRequest, Door } from '../door.ts'
import { type Chain, NotChecked } from './examine.ts'

/** What is looked at behind the door. */
export interface DesktopChecks {
  /** Signs in. @throws Fault `client.choice` when nobody says who she is. */
  readonly door: () => Promise<Door>
  readonly wanted: string | undefined
  readonly request: ConnectRequest
  /** Open the desktop: that starts it, and cuts whoever sits there. */
  readonly opens: boolean
}

/** Behind the door: that it knows us, how the desktop stands, and the way of its display. */
export function behindDoor({ door: enter, wanted, request, opens }: DesktopChecks): Chain {
  let door: Door | undefined
  let desktop: DesktopListItem | undefined
  return [
    {
      name: 'sign-in',
      look: async () => {
        door = await enter().catch((error: unknown) => {
          if (error instanceof Fault && error.code === 'client.choice')
            throw new NotChecked(`${error.message} (${error.advice})`)
          throw error
        })
        const desktops = await door.list()
        desktop = wanted === undefined ? desktops[0] : desktops.find((each) => isNamed(each, wanted))
        const names = desktops.map(({ name }) => name).join(', ')
        if (wanted !== undefined && desktop === undefined)
          throw new Fault('client.choice', {
            problem: `you have no desktop ${wanted}`,
            choices: names || '(you have none)',
          })
        return desktops.length === 0 ? 'you are known, and have no desktop' : `your desktops: ${names}`
      },
    },
    {
      name: 'desktop',
      look: () => {
        if (desktop === undefined) return Promise.reject(new NotChecked('there is none'))
        if (desktop.blocked === 1) return Promise.reject(new Fault('desktop.blocked'))
        return Promise.resolve(`${desktop.name} is ${desktop.state}`)
      },
    },
    {
      name: 'display',
      look: async () => {
        if (!opens) throw new NotChecked('it starts the desktop and cuts whoever sits there; --start looks')
        if (door === undefined || desktop === undefined) throw new NotChecked('there is none')
        const began = performance.now()
        const { stream } = await door.connect(desktop.id, request, () => {})
        stream.destroy()
        return `${request.display} opens in ${Math.round(performance.now() - began)} ms`
      },
    },
  ]
}

function isNamed({ id, name }: DesktopListItem, word: string): boolean {
  return name === word || String(id) === word
}
