import { Fault } from '@ostler/contract/fault.ts'
import type { Duplex, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ApiClient } from '../api-client.ts'
import { openTunnel, type TunnelWish } from './open-tunnel.ts'

/** A stream to a desktop on standard input and output, until either end closes. @throws Fault as `openTunnel`. */
export async function pipeTunnel(
  api: ApiClient,
  desktop: string,
  wish: TunnelWish,
  { input, output }: { readonly input: Readable; readonly output: Writable },
): Promise<void> {
  const { stream } = await openTunnel(api, desktop, wish)
  await carry(stream, input, output)
}

/** Carries both ways; the far end's close ends it, the near one's is passed on. */
export async function carry(stream: Duplex, input: Readable, output: Writable): Promise<void> {
  const up = pipeline(input, stream).catch(() => {})
  try {
    await pipeline(stream, output)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('tunnel.ended', { reason }, { cause })
  } finally {
    input.destroy()
    stream.destroy()
    await up
  }
}
