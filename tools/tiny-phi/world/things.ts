// Nothing -> made things and flowers: kind, use, material and the place where they are found.
import { readTable } from "./grammar.js";

export interface Thing {
  readonly name: string;
  readonly kind: "tool" | "vehicle" | "instrument" | "clothing" | "furniture" | "flower";
  /** "for hitting nails": what it is used for. */
  readonly use: string;
  readonly material: string;
  /** "in the kitchen" */
  readonly place: string;
}

export const things: readonly Thing[] = readTable(`
hammer | tool | for hitting nails | iron | in the workshop
saw | tool | for cutting wood | steel | in the workshop
knife | tool | for cutting bread | steel | in the kitchen
spoon | tool | for eating soup | silver | in the kitchen
fork | tool | for eating meat | silver | in the kitchen
needle | tool | for sewing | steel | in the bedroom
axe | tool | for chopping trees | iron | in the shed
shovel | tool | for digging holes | iron | in the shed
rake | tool | for gathering leaves | wood | in the shed
brush | tool | for painting | wood | in the workshop
ladder | tool | for reaching high places | wood | in the shed
broom | tool | for sweeping floors | wood | in the kitchen
drill | tool | for making holes | steel | in the workshop
pen | tool | for writing letters | plastic | in the office
pencil | tool | for drawing pictures | wood | in the office
ruler | tool | for measuring lines | plastic | in the office
comb | tool | for tidying hair | plastic | in the bathroom
bucket | tool | for carrying water | plastic | in the shed
rope | tool | for tying things | cotton | in the shed
pot | tool | for cooking soup | iron | in the kitchen
pan | tool | for frying eggs | iron | in the kitchen
key | tool | for opening doors | iron | in the hall
lamp | tool | for giving light | glass | in the bedroom
clock | tool | for telling the time | steel | in the hall
towel | tool | for drying hands | cotton | in the bathroom
car | vehicle | for driving on roads | steel | in the garage
bus | vehicle | for carrying many people | steel | in the street
train | vehicle | for travelling on rails | steel | in the station
bicycle | vehicle | for riding on paths | steel | in the garage
boat | vehicle | for crossing lakes | wood | on the lake
ship | vehicle | for crossing the sea | steel | in the harbour
plane | vehicle | for flying to far countries | steel | in the airport
truck | vehicle | for moving heavy things | steel | in the street
tractor | vehicle | for working on farms | steel | on the farm
sled | vehicle | for sliding on snow | wood | in the shed
cart | vehicle | for carrying hay | wood | on the farm
rocket | vehicle | for flying to the moon | steel | in the desert
tram | vehicle | for travelling in the city | steel | in the street
canoe | vehicle | for paddling on rivers | wood | on the lake
piano | instrument | for playing music with keys | wood | in the hall
violin | instrument | for playing music with strings | wood | in the school
guitar | instrument | for playing music with strings | wood | in the bedroom
flute | instrument | for playing music with air | silver | in the school
drum | instrument | for beating a rhythm | wood | in the school
trumpet | instrument | for playing loud music with air | brass | in the school
harp | instrument | for playing soft music with strings | wood | in the hall
bell | instrument | for ringing | brass | in the church
cello | instrument | for playing deep music with strings | wood | in the hall
horn | instrument | for playing loud music with air | brass | in the hall
organ | instrument | for playing music in a church | wood | in the church
banjo | instrument | for playing music with strings | wood | in the school
shirt | clothing | for covering the body | cotton | in the bedroom
coat | clothing | for keeping warm | wool | in the hall
hat | clothing | for covering the head | wool | in the hall
cap | clothing | for covering the head | cotton | in the hall
glove | clothing | for keeping the hands warm | wool | in the hall
scarf | clothing | for keeping the neck warm | wool | in the hall
shoe | clothing | for walking | leather | in the hall
boot | clothing | for walking in the rain | leather | in the hall
sock | clothing | for keeping the feet warm | wool | in the bedroom
skirt | clothing | for covering the legs | cotton | in the bedroom
dress | clothing | for going to a party | silk | in the bedroom
jacket | clothing | for keeping out the wind | leather | in the hall
belt | clothing | for holding up trousers | leather | in the bedroom
sweater | clothing | for keeping warm | wool | in the bedroom
apron | clothing | for keeping clean | cotton | in the kitchen
chair | furniture | for sitting | wood | in the kitchen
table | furniture | for eating meals | wood | in the kitchen
bed | furniture | for sleeping | wood | in the bedroom
sofa | furniture | for resting | leather | in the living room
desk | furniture | for working | wood | in the office
shelf | furniture | for holding books | wood | in the office
bench | furniture | for sitting | wood | in the park
stool | furniture | for sitting | wood | in the kitchen
cupboard | furniture | for storing plates | wood | in the kitchen
wardrobe | furniture | for storing clothes | wood | in the bedroom
drawer | furniture | for storing small things | wood | in the office
couch | furniture | for resting | leather | in the living room
cradle | furniture | for rocking a baby | wood | in the bedroom
`).map(([name, kind, use, material, place]) => ({
  name: name!,
  kind: kind as Thing["kind"],
  use: use!,
  material: material!,
  place: place!,
}));

/** Flower and its colour. */
export const flowers: readonly (readonly [name: string, colour: string])[] = [
  ["rose", "red"],
  ["tulip", "yellow"],
  ["daisy", "white"],
  ["lily", "white"],
  ["violet", "purple"],
  ["poppy", "red"],
  ["daffodil", "yellow"],
  ["sunflower", "yellow"],
  ["lavender", "purple"],
  ["orchid", "pink"],
  ["bluebell", "blue"],
  ["snowdrop", "white"],
  ["marigold", "orange"],
  ["carnation", "pink"],
  ["iris", "blue"],
];
