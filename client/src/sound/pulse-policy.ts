import {
  controlBody,
  controlFrame,
  type PulseFrame,
  pulseBytes,
  pulseNumber,
  PulseReader,
} from './pulse-frames.ts'

/** Requests of PulseAudio's native protocol that this file speaks of, or that are allowed. */
const COMMAND = {
  error: 0,
  createPlaybackStream: 3,
  deletePlaybackStream: 4,
  createRecordStream: 5,
  deleteRecordStream: 6,
  auth: 8,
  setClientName: 9,
  lookupSink: 10,
  lookupSource: 11,
  drainPlaybackStream: 12,
  getPlaybackLatency: 14,
  getServerInfo: 20,
  getSinkInfo: 21,
  getSourceInfo: 23,
  subscribe: 35,
  corkPlaybackStream: 41,
  flushPlaybackStream: 42,
  triggerPlaybackStream: 43,
  setPlaybackStreamName: 46,
  setRecordStreamName: 47,
  getRecordLatency: 57,
  corkRecordStream: 58,
  flushRecordStream: 59,
  prebufPlaybackStream: 60,
  setPlaybackStreamBufferAttr: 72,
  setRecordStreamBufferAttr: 73,
  updatePlaybackStreamSampleRate: 74,
  updateRecordStreamSampleRate: 75,
  updateRecordStreamProplist: 80,
  updatePlaybackStreamProplist: 81,
  updateClientProplist: 82,
} as const

const FOR_MICROPHONE: readonly number[] = [
  COMMAND.createRecordStream,
  COMMAND.deleteRecordStream,
  COMMAND.setRecordStreamName,
  COMMAND.getRecordLatency,
  COMMAND.corkRecordStream,
  COMMAND.flushRecordStream,
  COMMAND.setRecordStreamBufferAttr,
  COMMAND.updateRecordStreamSampleRate,
  COMMAND.updateRecordStreamProplist,
]
const ALLOWED: ReadonlySet<number> = new Set(
  Object.values(COMMAND).filter((command) => command !== COMMAND.error && !FOR_MICROPHONE.includes(command)),
)

/** PulseAudio's word for "you may not". */
const ACCESS_DENIED = 1
const NOBODY = 0xffff_ffff
/** Higher bits offer memory to be shared: nothing of this machine's is. */
const VERSION_BITS = 0xffff
/** Since when a stream is described as below. */
const OLDEST_VERSION = 13

/** What a desktop may do with the user's sound server. */
export interface SoundGrant {
  readonly microphone: boolean
  /** What the user's own programs show to the server. */
  readonly cookie: Buffer
}

/** A frame that goes on to the server, or an answer of ours that goes back. */
export type PulseVerdict = { readonly pass: Buffer } | { readonly refuse: Buffer }

/**
 * Judges what a desktop says on one connection: it may play, look at the one place where it plays to, and, where the
 * user asked for it, hear the microphone; never what other programs play, nor anything that changes the server.
 *
 * @returns a judge for each frame in turn, which throws RangeError for what is no frame of a client.
 */
export function pulsePolicy(grant: SoundGrant): (frame: PulseFrame) => PulseVerdict {
  let version = 0
  return (frame) => {
    if (frame.hasFlags) throw new RangeError('memory of this machine is not shared')
    if (!frame.isControl) return { pass: frame.bytes }
    const body = controlBody(frame)
    const reader = new PulseReader(body)
    const [command, tag] = [reader.number(), reader.number()]
    if (command === COMMAND.auth) {
      version = reader.number() & VERSION_BITS
      return { pass: auth(tag, version, grant.cookie) }
    }
    const isAllowed =
      ALLOWED.has(command) ||
      (grant.microphone &&
        FOR_MICROPHONE.includes(command) &&
        (command !== COMMAND.createRecordStream || isMicrophone(reader, version)))
    if (isAllowed) return { pass: frame.bytes }
    return {
      refuse: controlFrame(pulseNumber(COMMAND.error), pulseNumber(tag), pulseNumber(ACCESS_DENIED)),
    }
  }
}

function auth(tag: number, version: number, cookie: Buffer): Buffer {
  return controlFrame(pulseNumber(COMMAND.auth), pulseNumber(tag), pulseNumber(version), pulseBytes(cookie))
}

/** Whether a stream is of the source that the user has chosen, not of what some program plays. */
function isMicrophone(reader: PulseReader, version: number): boolean {
  if (version < OLDEST_VERSION) return false
  reader.skipSampleSpec()
  reader.skipChannelMap()
  const [index, name] = [reader.number(), reader.text()]
  reader.number() // longest queue
  reader.skipFlags(1)
  reader.number() // size of a fragment
  reader.skipFlags(9)
  reader.skipProperties()
  const ofStream = reader.number()
  return index === NOBODY && (name === undefined || name === '@DEFAULT_SOURCE@') && ofStream === NOBODY
}
