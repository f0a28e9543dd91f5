/** Style sheets that the build turns into minified text. */
declare module '*.css' {
  const text: string;
  export default text;
}
