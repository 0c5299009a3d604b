import { Fault } from '@ostler/contract/fault.ts'
import {
  CLIPBOARD_WAYS,
  type ClipboardWay,
  FOLDER_ACCESS,
  type FolderAccess,
  POLICY_PARAMETERS,
} from '@ostler/contract/session-policy.ts'

/** What the door allows in a session. */
export interface SessionPolicy {
  readonly clipboard: ClipboardWay
  readonly folders: FolderAccess
  /** Whether the client may reach ports of the desktop. */
  readonly ports: boolean
  readonly printing: boolean
  readonly audio: boolean
}

/**
 * Reads what the door allows; what it does not speak of is allowed.
 * @throws Fault `session.parameter` for a word that is none: to guess might allow too much.
 */
export function readSessionPolicy(parameters: ReadonlyMap<string, string>): SessionPolicy {
  const word = <W extends string>(key: string, words: readonly W[], fallback: W): W => {
    const given = parameters.get(key) ?? ''
    const known = given === '' ? fallback : words.find((candidate) => candidate === given)
    if (known === undefined)
      throw new Fault('session.parameter', { parameter: key, problem: `is none of ${words.join(', ')}` })
    return known
  }
  const isOn = (key: string): boolean => word(key, ['0', '1'], '1') === '1'
  return {
    clipboard: word(POLICY_PARAMETERS.clipboard, CLIPBOARD_WAYS, 'both'),
    folders: word(POLICY_PARAMETERS.folders, FOLDER_ACCESS, 'rw'),
    ports: isOn(POLICY_PARAMETERS.ports),
    printing: isOn(POLICY_PARAMETERS.printing),
    audio: isOn(POLICY_PARAMETERS.audio),
  }
}

/** nxagent's words for the ways of the clipboard: who may give to the other. */
export const NX_CLIPBOARD: Readonly<Record<ClipboardWay, string>> = {
  none: 'none',
  in: 'client',
  out: 'server',
  both: 'both',
}

/** x11vnc's options for the same; `-noremote`, because a program of the session could change them otherwise. */
export const VNC_CLIPBOARD: Readonly<Record<ClipboardWay, readonly string[]>> = {
  none: ['-nosel', '-noremote'],
  in: ['-seldir', 'recv', '-noremote'],
  out: ['-seldir', 'send', '-noremote'],
  both: [],
}
