import { afterAll, beforeAll } from 'vitest'
import { RealSession } from '../fixtures/real-session.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { sessionSuite } from './session-suite.ts'

let screen: XScreen

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => {
  await screen[Symbol.asyncDispose]()
})

sessionSuite(() => RealSession.open(screen.display, ['internal.nxagent.timeout.listening = 3']))
