mod added;
mod images;
mod layers;
mod recipes;
mod reproducible;
