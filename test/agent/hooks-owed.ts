import { isAlive, type SessionState } from '@ostler/contract/session.ts'
import type { StoryLine } from '../fixtures/scripted-session.ts'

const HOOKED: readonly SessionState[] = ['connected', 'suspended', 'stopped']

/**
 * The state hooks that should have been run: one for each change of what users see, where a browser counts as a client; none twice
 * in a row within one session, also over the agent's death.
 */
export function hooksOwed(story: readonly StoryLine[]): SessionState[] {
  const owed: SessionState[] = []
  let [state, viewers, last]: [SessionState, number, string] = ['stopped', 0, 'stopped']
  let found = true
  const see = (): void => {
    const seen = viewers > 0 && isAlive(state) ? 'connected' : state
    if (!HOOKED.includes(seen) || seen === last) return
    last = seen
    owed.push(seen)
  }
  for (const line of story) {
    if (line.kind === 'life') {
      ;[viewers, found] = [0, line.foundSession]
      continue
    }
    if (line.kind === 'hook') continue
    if (line.kind === 'viewers') viewers = line.count
    else {
      if (!found)
        last = 'stopped' // a start that died with its agent was no session yet
      else if (state === 'stopped' && line.state === 'starting') last = ''
      if (line.state === 'stopped') viewers = 0
      ;[state, found] = [line.state, true]
    }
    see()
  }
  return owed
}
