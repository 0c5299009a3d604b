import { Fault } from '@ostler/contract/fault.ts'
import type { SlaveCall, SlaveReply } from '@ostler/contract/slave-call.ts'
import { type PrinterList, printerList } from '@ostler/contract/slave-printers.ts'

/** A call to the client's end of the slave channel. @throws Fault `slave.silent`, `slave.ended`. */
export type CallClient = (call: SlaveCall, signal: AbortSignal) => Promise<SlaveReply>

/**
 * Asks a client for the printers that it serves on the slave channel (compatibility page 5.3).
 * @throws Fault `slave.refused` when it has none to tell, `slave.silent` when what it tells is no list; and what the call throws.
 */
export async function askForPrinters(
  callClient: CallClient,
  signal: AbortSignal,
): Promise<PrinterList['Printers']> {
  const { status, text } = await callClient({ method: 'GET', path: '/printer' }, signal)
  if (status !== 200) throw new Fault('slave.refused', { what: 'GET /printer', status, text })
  const told = printerList.safeParse(parsed(text))
  if (!told.success) throw new Fault('slave.silent', { reason: 'what it says is no list of printers' })
  return told.data.Printers
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
