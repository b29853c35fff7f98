/** The one error of the codecs. */

/** Bytes that are no such message, or a value that its field cannot carry. */
export class CodecError extends Error {
  override readonly name = "CodecError";
  /** The field at fault, as `package.Message.field`; a message's name, where no field is. */
  readonly field: string;
  /** The byte of the input that the mistake is at; -1 where there is no input. */
  readonly offset: number;

  constructor(message: string, field = "", offset = -1) {
    super(field === "" ? message : `${field}: ${message}`);
    this.field = field;
    this.offset = offset;
  }
}
