import { ScriptedSession } from '../fixtures/scripted-session.ts'
import { sessionSuite } from './session-suite.ts'

sessionSuite(() => Promise.resolve(new ScriptedSession({ 'internal.nxagent.timeout.listening': 3 })))
