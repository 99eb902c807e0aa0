// How counts and lists are said.

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
export const are = (names, number) => (number === 1 ? `${names} is` : `${names} are`);
export const list = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
