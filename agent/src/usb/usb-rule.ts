/** Which devices a desktop may have: none, every one, or those of some vendors and products. */
export type UsbRule = 'off' | 'all' | readonly UsbKind[]

interface UsbKind {
  readonly vendor: number
  /** `undefined`: every product of this vendor. */
  readonly product: number | undefined
}

/** Reads `off`, `all`, or `046d:c31c,0781:*`. @throws Error that says what is wrong. */
export function parseUsbRule(text: string): UsbRule {
  if (text === 'off' || text === 'all') return text
  return text.split(',').map((word) => {
    const [, vendor, product] = /^([\da-f]{4}):([\da-f]{4}|\*)$/i.exec(word.trim()) ?? []
    if (vendor === undefined || product === undefined)
      throw new Error(
        'must be off, all, or VENDOR:PRODUCT in hexadecimal digits with commas between, as 046d:c31c,0781:*',
      )
    return { vendor: parseInt(vendor, 16), product: product === '*' ? undefined : parseInt(product, 16) }
  })
}
