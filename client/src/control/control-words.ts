import * as z from 'zod/mini'

/** What may be asked over a control socket: one line of JSON, answered by one. */
export const controlAsk = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('about') }),
  z.strictObject({ do: z.literal('shares') }),
  z.strictObject({ do: z.literal('share'), path: z.string(), name: z.string(), readOnly: z.boolean() }),
  z.strictObject({ do: z.literal('unshare'), word: z.string() }),
  z.strictObject({ do: z.literal('usb') }),
  z.strictObject({ do: z.literal('usb share'), word: z.string() }),
  z.strictObject({ do: z.literal('usb stop'), word: z.string() }),
])
export type ControlAsk = z.output<typeof controlAsk>

export const aboutAnswer = z.object({ desktop: z.string() })
export const shareAnswer = z.object({ name: z.string(), place: z.string(), readOnly: z.boolean() })
export const sharesAnswer = z.array(
  z.object({
    name: z.string(),
    place: z.string(),
    readOnly: z.boolean(),
    path: z.string(),
    there: z.boolean(),
  }),
)
export const usbAnswer = z.object({ busId: z.string(), kind: z.string(), name: z.string() })
export const usbListAnswer = z.array(usbAnswer)
