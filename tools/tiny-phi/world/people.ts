// Nothing -> people, their work, the places where stories happen, and how people feel there.
import { readTable } from "./grammar.js";

export interface Person {
  readonly name: string;
  readonly he: string;
  readonly him: string;
  readonly his: string;
}

const women =
  "Anna Emma Lucy Mary Sara Nina Lena Julia Clara Rosa Ella Maya Ruby Alice Grace Helen Ida Kate Laura Mia Olga Paula Rita Tina Vera Zoe Eva Lily Nora Amy Jane Sofia";
const men =
  "Tom Ben Max Paul Peter Sam Jack Leo Adam Carl David Eric Felix Hugo Ivan Jim Karl Luke Mark Nick Oscar Owen Rob Simon Theo Tim Victor Will Alex Dan Fred George";

export const people: readonly Person[] = [
  ...women.split(" ").map((name) => ({ name, he: "she", him: "her", his: "her" })),
  ...men.split(" ").map((name) => ({ name, he: "he", him: "him", his: "his" })),
];

export interface Job {
  readonly name: string;
  /** "in a bakery" */
  readonly place: string;
  /** Third person: "bakes bread". */
  readonly work: string;
  readonly tool: string;
}

export const jobs: readonly Job[] = readTable(`
baker | in a bakery | bakes bread | an oven
teacher | in a school | teaches children | a book
doctor | in a hospital | helps sick people | a needle
nurse | in a hospital | looks after sick people | a bandage
farmer | on a farm | grows corn | a tractor
pilot | in a plane | flies people to far countries | a map
sailor | on a ship | sails across the sea | a rope
cook | in a kitchen | cooks meals | a pot
waiter | in a restaurant | brings food to the tables | a tray
painter | in a studio | paints pictures | a brush
gardener | in a garden | plants flowers | a rake
carpenter | in a workshop | builds tables | a saw
tailor | in a shop | sews clothes | a needle
barber | in a shop | cuts hair | a comb
butcher | in a shop | sells meat | a knife
judge | in a court | decides who is right | a hammer
singer | on a stage | sings songs | a microphone
actor | on a stage | plays a part | a mask
writer | in a study | writes books | a pen
miner | in a mine | digs for coal | a drill
fisherman | on a boat | catches fish | a net
postman | in the streets | brings letters | a bag
driver | in a bus | drives people to town | a wheel
librarian | in a library | lends books | a list
dentist | in a clinic | repairs teeth | a mirror
mechanic | in a garage | repairs cars | a hammer
shepherd | in the hills | looks after sheep | a stick
firefighter | in a fire station | puts out fires | a hose
clown | in a circus | makes people laugh | a red nose
builder | on a building site | builds houses | a shovel
`).map(([name, place, work, tool]) => ({ name: name!, place: place!, work: work!, tool: tool! }));

export interface Place {
  /** "the market" */
  readonly name: string;
  /** "at the market" */
  readonly at: string;
}

export const places: readonly Place[] = (
  "at the market,in the park,at the beach,in the forest,in the garden,at the station,at school,in the library," +
  "in the kitchen,on the farm,at the harbour,in the museum,by the river,by the lake,in the village,in the street," +
  "at the zoo,in the shop,in the barn,on the hill,in the castle,at the bridge,in the square,in the office," +
  "at the hotel,in the meadow,on the playground,at the bakery,at the cinema,in the church"
)
  .split(",")
  .map((at) => ({ at, name: at.replace(/^\w+ /, "") }));

export const days: readonly string[] = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");
export const months: readonly string[] =
  "January February March April May June July August September October November December".split(" ");

export const goodFeelings: readonly string[] =
  "happy glad proud cheerful thankful excited pleased calm".split(" ");
export const badFeelings: readonly string[] = "sad angry tired worried afraid lonely upset nervous".split(
  " ",
);
export const weathers: readonly string[] = "sunny rainy windy cold warm foggy snowy cloudy hot stormy".split(
  " ",
);
export const colours: readonly string[] =
  "red blue green yellow white black brown pink purple orange grey silver".split(" ");
export const looks: readonly string[] = "old new small big little heavy shiny round broken pretty".split(" ");

/** Things that a person can carry about. */
export const carried: readonly string[] =
  "ball key book hat cup coin kite lamp box ring spoon bag map letter basket drum brush bell doll umbrella scarf bottle clock coat pencil picture stone shell toy ticket".split(
    " ",
  );
/** Where a lost thing turns up. */
export const spots: readonly string[] = (
  "under a bench,behind a door,in a bush,under the table,on the stairs,behind a tree,near the gate,in the grass," +
  "on a shelf,next to the well,in a drawer,beside the road"
).split(",");
